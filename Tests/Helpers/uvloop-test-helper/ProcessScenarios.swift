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
