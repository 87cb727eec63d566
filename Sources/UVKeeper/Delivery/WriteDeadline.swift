/// How long a line waits for its keeper.
public enum WriteDeadline: Hashable, Sendable {
    /// Three attempts to reach the keeper, as the original's: 1.25 s at most from when it is the line's turn.
    case attempts
    /// So long, from the call on.
    case within(Duration)
    /// As long as the session lives.
    case untilSessionEnds
}
