public import KeeperProtocol
public import UVLoop

/// A keeper that was started.
public struct SpawnedKeeper {
    /// The keeper's session.
    public let session: SessionID
    /// The keeper's pid; the child has another.
    public let pid: Int32
    /// The path of the keeper's socket, which may not exist yet.
    public let socketPath: String
    package let process: DetachedProcess

    /// True while the keeper has not been seen to end.
    public var isRunning: Bool { process.isRunning }
    /// The end of the keeper; nil while it runs.
    public var exitStatus: ProcessExit? { process.exitStatus }
}
