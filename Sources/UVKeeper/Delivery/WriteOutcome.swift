/// What became of a line.
///
/// The original's Boolean is true for ``written`` and ``sent``.
public enum WriteOutcome: Hashable, Sendable {
    /// The child's stdin pipe has it. The child may still end before it reads it.
    case written
    /// It was handed over to a keeper without a channel, the original or an older one of ours, which cannot say more.
    case sent
    /// The child does not get it, whole or in part, unless it is sent again, which cannot duplicate anything.
    case refused(KeeperError)
    /// All or part of it was handed over and never confirmed; it may arrive, or have arrived, or be lost. It is not tried
    /// again: a second copy, or a fragment, would corrupt the session.
    case unknown(KeeperError)
}

extension WriteOutcome: CustomStringConvertible {
    /// For instance `refused: nobody listens …`.
    public var description: String {
        switch self {
        case .written: "written"
        case .sent: "sent"
        case .refused(let reason): "refused: \(reason)"
        case .unknown(let reason): "unknown: \(reason)"
        }
    }
}
