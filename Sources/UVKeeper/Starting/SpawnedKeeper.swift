public import KeeperProtocol
public import UVLoop

/// A keeper that was started.
public struct SpawnedKeeper {
    /// Its session.
    public let session: SessionID
    /// The keeper's pid; the child has another.
    public let pid: Int32
    /// Where it listens, or will.
    public let socketPath: String
    package let process: DetachedProcess

    /// True while the keeper has not been seen to end.
    public var isRunning: Bool { process.isRunning }
    /// How the keeper ended; nil while it runs.
    public var exitStatus: ProcessExit? { process.exitStatus }
}
