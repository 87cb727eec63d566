public import KeeperProtocol

/// An event in the life of a session.
public enum KeeperEvent: Hashable, Sendable {
    /// The session lived already.
    case adopted(SessionID)
    /// The session was started.
    case started(SessionID)
    /// The session has ended; nil if it is not known how.
    case ended(SessionID, SessionExit?)

    /// The session's name.
    public var session: SessionID {
        switch self {
        case .adopted(let id), .started(let id), .ended(let id, _): id
        }
    }
}
