/// How much the lines and the clients of a session may take.
struct LineLimits {
    /// The longest line, in bytes, newline included.
    let lineLength: Int
    /// More clients than this wait in the listener's backlog.
    var clients = 4096
    /// Bytes of the unterminated lines of all clients together: several of the longest, and 64 MiB whatever the length of one
    /// is, since with a small limit many clients in the middle of a line are nothing unusual.
    var pendingByteCount: Int
    /// Bytes of the lines that wait for the child: two of the longest, or 32 MiB if that is more.
    var waitingByteCount: Int
    /// How much of one client is read in a turn. More than a socket's buffer holds.
    var turnByteCount = 262_144

    /// The limits of a keeper for lines of at most so many bytes.
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
