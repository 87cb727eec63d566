/// What became of a line.
///
/// The original's Boolean is `outcome == .written`. It also said true for a line that a frozen keeper had not read; here
/// the keeper must have confirmed it.
public enum WriteOutcome: Hashable, Sendable {
    /// The keeper has read the line to its end and confirmed it: by the time it did so the child's stdin pipe had taken
    /// it. The child may still end before it reads it. An original keeper (`keeper.cjs`) confirms what it has in its own
    /// memory.
    case written
    /// No keeper has received any byte of it; sending it again cannot duplicate anything.
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
        case .refused(let reason): "refused: \(reason)"
        case .unknown(let reason): "unknown: \(reason)"
        }
    }
}
