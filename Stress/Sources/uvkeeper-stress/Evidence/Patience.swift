/// How long a line waits for its keeper, which says what may become of it.
enum Patience: Sendable {
    /// By the channel, three attempts.
    case attempts
    /// By the channel, as long as the session lives.
    case untilSessionEnds
    /// By the raw socket, which says no more than that a keeper has it, without any time limit.
    case raw
}
