public import KeeperProtocol

/// What has become of a session.
public enum KeeperEvent: Hashable, Sendable {
    /// It lived already.
    case adopted(SessionID)
    /// It was started.
    case started(SessionID)
    /// It has ended; nil if nobody knows how.
    case ended(SessionID, SessionExit?)

    /// The session.
    public var session: SessionID {
        switch self {
        case .adopted(let id), .started(let id), .ended(let id, _): id
        }
    }
}
