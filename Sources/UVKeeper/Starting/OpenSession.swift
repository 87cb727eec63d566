public import KeeperProtocol

/// A session that takes lines; one that another program is just starting is about to.
public enum OpenSession {
    /// The session had a keeper already.
    case adopted(KeeperEntry)
    /// The session was started.
    case started(SpawnedKeeper)

    /// The session's name.
    public var session: SessionID {
        switch self {
        case .adopted(let keeper): keeper.session
        case .started(let keeper): keeper.session
        }
    }

    /// The keeper's pid; nil if a keeper was adopted and the system does not tell which process it is.
    public var keeperPID: Int32? {
        switch self {
        case .adopted(let keeper): keeper.keeperPID
        case .started(let keeper): keeper.pid
        }
    }
}
