import Libc
import UVLoop

/// A child that starts another process and ends as soon as it is told to, which is then this process's.
private final class Parent {
    let child: ChildProcess
    private let directory: String

    init(in directory: String, on loop: Loop) throws {
        self.directory = directory
        require(mkfifo("\(directory)/go", 0o600) == 0, "mkfifo")
        child = try ChildProcess(
            .init(
                executable: "sh", arguments: ["-c", "read line <go; sleep 1000 & echo $! >pid"],
                workingDirectory: directory),
            on: loop
        ) { _, _ in }
    }

    /// Returns once what it has started is adopted, and its own end is to be seen: its parent has not collected it.
    func end() -> Int32 {
        let fifo = open("\(directory)/go", O_WRONLY)
        write("go", to: fifo)
        close(fifo)
        while ProcessDetails(of: child.pid)?.isZombie != true { usleep(1000) }
        let text = (try? Files.read("\(directory)/pid", limit: 16)) ?? []
        return Int32(String(decoding: text.dropLast(), as: UTF8.self)) ?? -1
    }
}

/// A process ends in the middle of a look at the tree, after it was listed, and leaves another one behind.
func adoptedDuringLook(directory: String) throws {
    try ProcessTree.becomeSubreaper()
    let loop = try Loop()
    // Listed before the other one, and visited before it.
    let sleeper = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in }
    let parent = try Parent(in: directory, on: loop)
    var orphan: Int32?
    var found: [Int32] = []
    let visit = ProcessTree.visit { process in
        if orphan == nil { orphan = parent.end() }
        found.append(process.pid)
    }
    require(visit == .complete && found == [sleeper.pid, orphan], "\(visit) \(found) \(String(describing: orphan))")
    try Processes.send(.kill, to: orphan!)
    try sleeper.kill(.kill)
    loop.run()
    try end(loop)
}

/// The same when the only other child is left out: there is somebody, and nobody once that one has ended.
func adoptedWhileLookingForAny(directory: String) throws {
    try ProcessTree.becomeSubreaper()
    let loop = try Loop()
    let apart = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in }
    let parent = try Parent(in: directory, on: loop)
    var orphan: Int32?
    var asked: [Int32] = []
    // The one that is to end runs, and is called apart too: only its end tells that there is more.
    let isApart = { (pid: Int32) in
        asked.append(pid)
        if orphan == nil { orphan = parent.end() }
        return pid != orphan
    }
    require(ProcessTree.hasDescendants(leavingOut: isApart), "nobody of \(asked), orphan \(String(describing: orphan))")
    try Processes.send(.kill, to: orphan!)
    while ProcessTree.hasDescendants(leavingOut: { $0 == apart.pid }) { usleep(1000) }
    require(ProcessDetails(of: orphan!) == nil, "not collected")
    require(ProcessTree.hasDescendants(), "the one that was left out has ended")
    try apart.kill(.kill)
    loop.run()
    try end(loop)
}

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

/// A child of another user's, where `/proc` hides those: it is found, and cannot be ended.
func hiddenChild() throws {
    let loop = try Loop()
    let child = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in }
    // Its group 0 would see everything.
    require(setgroups(0, nil) == 0 && setgid(65534) == 0 && setuid(65534) == 0, "setuid")
    require(ProcessDetails(of: child.pid) == nil, "not hidden")
    require(ProcessTree.descendants().map(\.pid) == [child.pid], "\(ProcessTree.descendants().map(\.pid))")
    require(ProcessTree.hasDescendants(), "nobody")
    var failure: UVError?
    do throws(UVError) { try ProcessTree.descendants()[0].send(.kill) } catch { failure = error }
    require(failure == .notPermitted, "\(String(describing: failure))")
}
