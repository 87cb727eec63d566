public import KeeperProtocol

/// A keeper found by a discovery.
public struct KeeperEntry: Hashable, Sendable, Codable {
    /// The keeper's session.
    public let session: SessionID
    /// The keeper's pid; nil if a keeper answers and the system does not tell which process it is.
    public let keeperPID: Int32?
    let paths: KeeperPaths

    /// The path of the keeper's socket.
    public var socketPath: String { paths.socket(for: session) }

    /// The child's pid, looked up now; nil unless a process is shown to be the child: one that runs, or whose end the
    /// keeper has not noticed.
    public var childPID: Int32? { KeeperInspection(session, paths: paths).child.pid }
}

/// The findings and actions of a discovery.
public struct KeeperDiscovery: Hashable, Sendable, Codable {
    /// Live keepers, now tracked, by session id.
    public var keepers: [KeeperEntry] = []
    /// Sessions whose keeper was dead, and whose files were removed.
    public var removed: [SessionID] = []
    /// Sessions whose keeper lived without its child, and was told to end.
    public var terminated: [SessionID] = []
    /// Ended sessions that have left a record, those just removed included; ``Session/record`` tells how each ended,
    /// and its output can be read. Also those whose keeper was lost and whose child runs on. In no order.
    public var ended: [SessionID] = []
    /// Session ids of the original's in this directory that are no ``/KeeperProtocol/SessionID``; keepers of such
    /// sessions are left alone.
    public var foreign: [String] = []
}
