/// The time that a line waits for its keeper.
public enum WriteDeadline: Hashable, Sendable {
    /// Three attempts to reach the keeper, as in the original: 1.25 s at most from the line's turn on.
    case attempts
    /// The given time, from the call on.
    case within(Duration)
    /// The life of the session.
    case untilSessionEnds
}
