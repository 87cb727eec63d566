/// The time that a line waits for its keeper, which decides the outcomes possible.
enum Patience: Sendable {
    /// The line has three attempts, by the channel.
    case attempts
    /// The line waits as long as the session lives, by the channel.
    case untilSessionEnds
    /// The line waits without a limit, by the raw socket, whose confirmation means only that a keeper has the line.
    case raw
}
