/// The limits for the lines and the clients of a session.
struct LineLimits {
    /// The longest line, in bytes, newline included.
    let lineLength: Int
    /// The most clients served at once; more wait in the listener's backlog.
    var clients = 4096
    /// Bytes of the unfinished lines of all clients together: four of the longest lines, and at least 64 MiB, since
    /// with a small line limit many clients in the middle of a line are nothing unusual.
    var pendingByteCount: Int
    /// Bytes of the lines that wait for the child: two of the longest lines, and at least 32 MiB.
    var waitingByteCount: Int
    /// The most bytes read from one client in a turn; more than a socket's buffer holds.
    var turnByteCount = 262_144

    /// The limits of a keeper whose lines have at most so many bytes.
    init(lineLength: Int) {
        self.lineLength = lineLength
        pendingByteCount = LineLimits.several(4, lineLength, atLeast: 64 << 20)
        waitingByteCount = LineLimits.several(2, lineLength, atLeast: 32 << 20)
    }

    private static func several(_ times: Int, _ length: Int, atLeast allowance: Int) -> Int {
        let (product, isHuge) = length.multipliedReportingOverflow(by: times)
        return isHuge ? .max : max(product, allowance)
    }
}
