import Glibc
import UVLoop

/// Starts a child and then threads that end at once, for ever: two are there at any time, and never the same for long.
func churnThreads() throws -> Never {
    let loop = try Loop()
    _ = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in }
    write("ready")
    let churn: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { _ in
        while true {
            var thread = pthread_t()
            if pthread_create(&thread, nil, { _ in nil }, nil) == 0 { pthread_join(thread, nil) }
        }
    }
    var threads = [pthread_t(), pthread_t()]
    for index in threads.indices { pthread_create(&threads[index], nil, churn, nil) }
    while true { pause() }
}

/// Ends the main thread. Another one reads lines, until the end of its input or a signal.
func endMainThread() -> Never {
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { _ in
            while readLine() != nil {}
            exit(7)
        }, nil)
    pthread_exit(nil)
}

/// Becomes a program that the kernel refuses a pidfd.
func withoutPidfds(_ command: [String]) -> Never {
    _ = SystemCallFilter.refuse(SystemCallFilter.openProcess, error: ENOSYS)
    var arguments = command.map { strdup($0) }
    arguments.append(nil)
    execvp(arguments[0]!, arguments)
    fail("execvp: \(errno)")
}

/// In a pid namespace that shows another one's `/proc`: nothing there is about this namespace's processes.
func foreignProc() throws {
    require(getpid() < 100, "no namespace: \(getpid())")
    require(!ProcessTree.isVisible, "visible")
    for pid in 1...Int32(100) {
        require(ProcessDetails(of: pid) == nil && ProcessDetails.arguments(of: pid) == nil, "details of \(pid)")
        require(ProcessTree.descendants(of: pid).isEmpty, "descendants of \(pid)")
    }
    require(ProcessTree.members(ofSessions: Set(0...100)).isEmpty, "members")
}
