public import KeeperProtocol

/// A keeper that was found.
public struct KeeperEntry: Hashable, Sendable, Codable {
    /// Its session.
    public let session: SessionID
    /// Its pid; nil if a keeper answers and the system does not tell which process it is.
    public let keeperPID: Int32?
    let paths: KeeperPaths

    /// Where it listens.
    public var socketPath: String { paths.socket(for: session) }

    /// Its child's pid, looked up now: nil unless a process that runs, or that its keeper has not noticed the end of, is
    /// shown to be the child.
    public var childPID: Int32? { KeeperInspection(session, paths: paths).child.pid }
}

/// What a discovery found and did.
public struct KeeperDiscovery: Hashable, Sendable, Codable {
    /// Live keepers, now tracked, by session id.
    public var keepers: [KeeperEntry] = []
    /// Sessions whose keeper was dead, and whose files were removed.
    public var removed: [SessionID] = []
    /// Sessions whose keeper lived without its child, and was told to end.
    public var terminated: [SessionID] = []
    /// Sessions that have ended, those that were removed included, and have left a record: ``Session/record`` tells how, and
    /// their output can be read. In no order.
    public var ended: [SessionID] = []
    /// Ids of the original's in this directory that are no ``/KeeperProtocol/SessionID``: keepers of such sessions are
    /// left alone.
    public var foreign: [String] = []
}
