/// The time that a line waits for its keeper.
public enum WriteDeadline: Hashable, Sendable {
    /// Three attempts to reach the keeper, as in the original: 1.25 s at most from the line's turn on. If they pass, the
    /// lines with attempts that have waited behind it for all that time are refused too.
    case attempts
    /// The given time, from the call on.
    case within(Duration)
    /// The life of the session.
    case untilSessionEnds
}
