/// A carrier of lines to a keeper. A courier makes one attempt at a time when its ``SessionQueue`` asks for it, moves
/// lines from the unsent to the sent ones, and tells the queue the outcome of the attempt, or of the lines.
protocol LineCourier: AnyObject {
    /// True if the courier has no connection.
    var isIdle: Bool { get }

    /// Begins an attempt, which ends with ``SessionQueue/attemptEnded(_:)`` or ``SessionQueue/attemptFailed(_:lost:)``,
    /// on a later tick.
    func attempt()

    /// Called when a line was added, or has become the first, while an attempt is under way.
    func linesChanged()

    /// Called when no line waits any more.
    func rest()

    /// Drops the courier's connections, without a call.
    func close()
}
