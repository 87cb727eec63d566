/// The activity of a manager in numbers, over all of its sessions.
public struct KeeperFigures: Hashable, Sendable, Codable {
    /// Attempts to reach a keeper that were begun; a connection that lasts is one.
    public var attempts: UInt64 = 0
    /// Attempts that have failed, or whose connection has broken.
    public var failedAttempts: UInt64 = 0
    /// Lines without an outcome.
    public var waitingLines = 0
    /// The bytes of these lines, newlines included.
    public var waitingBytes = 0
    /// Sessions that are being ended.
    public var stoppingSessions = 0

    /// All figures zero.
    public init() {}
}

extension KeeperManager {
    /// The manager's activity now; costs a walk over the sessions in use, and no system call.
    public var figures: KeeperFigures {
        loop.preconditionOnThread()
        var figures = KeeperFigures()
        (figures.attempts, figures.failedAttempts) = formerAttempts
        figures.stoppingSessions = stops.count
        for session in sessions.values {
            figures.attempts += session.lines.attemptCount
            figures.failedAttempts += session.lines.failedAttemptCount
            figures.waitingLines += session.lines.lineCount
            figures.waitingBytes += session.lines.byteCount
        }
        return figures
    }
}
