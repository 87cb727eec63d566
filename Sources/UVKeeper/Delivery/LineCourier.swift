/// A way for lines to a keeper. It makes one attempt at a time when its ``SessionQueue`` says so, moves lines from those that
/// are unsent to those that are sent, and tells the queue how the attempt, or the lines, came out.
protocol LineCourier: AnyObject {
    /// True if it holds no connection.
    var isIdle: Bool { get }

    /// Begins an attempt. Its end is ``SessionQueue/attemptEnded(_:)`` or ``SessionQueue/attemptFailed(_:lost:)``, on a later
    /// tick.
    func attempt()

    /// A line was added, or has become the first, while an attempt is under way.
    func linesChanged()

    /// No line waits any more.
    func rest()

    /// Drops its connections, without a call.
    func close()
}
