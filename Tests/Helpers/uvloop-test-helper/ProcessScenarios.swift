import Glibc
import UVLoop

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
