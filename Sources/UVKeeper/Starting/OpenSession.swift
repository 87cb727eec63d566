/// A session that takes lines; if another program is just starting it, it soon will.
public struct OpenSession {
    /// The way in which the session was opened.
    public enum Way {
        /// The session had a keeper already.
        case adopted(KeeperEntry)
        /// The session was started.
        case started(SpawnedKeeper)
    }

    /// The session.
    public let session: Session
    /// The way in which the session was opened.
    public let way: Way

    /// The keeper's pid; nil if a keeper was adopted and the system does not tell which process it is.
    public var keeperPID: Int32? {
        switch way {
        case .adopted(let keeper): keeper.keeperPID
        case .started(let keeper): keeper.pid
        }
    }
}

@available(*, unavailable)
extension OpenSession: Sendable {}
