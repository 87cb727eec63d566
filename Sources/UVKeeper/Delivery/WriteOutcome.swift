/// The outcome of a line.
///
/// The original's Boolean is true for ``written`` and ``sent``.
public enum WriteOutcome: Hashable, Sendable {
    /// The child's stdin pipe has the line. The child may still end before reading it.
    case written
    /// The line was handed over to a keeper without a channel, the original's or an older one of ours, which cannot say
    /// more.
    case sent
    /// The child does not get the line, whole or in part, unless it is sent again, which cannot duplicate anything.
    case refused(KeeperError)
    /// All or part of the line was handed over and never confirmed: it may arrive, have arrived, or be lost. The line
    /// is not tried again: a second copy, or a fragment, would corrupt the session.
    case unknown(KeeperError)
}

extension WriteOutcome: CustomStringConvertible {
    /// The outcome in words, for instance `refused: nobody listens …`.
    public var description: String {
        switch self {
        case .written: "written"
        case .sent: "sent"
        case .refused(let reason): "refused: \(reason)"
        case .unknown(let reason): "unknown: \(reason)"
        }
    }
}
