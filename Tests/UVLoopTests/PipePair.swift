import Libc

/// Returns the ends of a pipe to read from and to write to, close-on-exec; the caller closes them.
func pipePair() -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    // Swift's Glibc has no pipe2.
    precondition(pipe(&ends) == 0, "pipe: \(errno)")
    for end in ends { precondition(fcntl(end, F_SETFD, FD_CLOEXEC) == 0, "fcntl: \(errno)") }
    return (ends[0], ends[1])
}
