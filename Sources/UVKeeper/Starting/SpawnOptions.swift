public import KeeperProtocol
public import UVLoop

/// The command of a session's child, and the settings of its start.
public struct SpawnOptions: Hashable, Sendable {
    /// The variables that the keeper and the child get; the `PI_KEEPER_*` among them are the keeper's settings.
    public var environment: ProcessEnvironment
    /// The child's executable and first arguments; nil: from the environment, else `pi`.
    public var command: [String]?
    /// The child's remaining arguments; nil: none if there is a command, else from the environment, else `--mode rpc`.
    public var arguments: [String]?
    /// The destination of the child's output; nil: from the environment.
    public var output: SpawnOutput?
    /// The labels by which the session's users find it again, added to those in the environment.
    public var labels: SessionLabels
    /// The policy by which the keeper leaves the control group of a service whose stop would take the session along,
    /// for a scope of its own; nil: from the environment, else `ScopePolicy.auto`. A foreign sidecar
    /// stays where it is.
    public var scope: ScopePolicy?
    /// The limits on the session's use of the machine; a nil one comes from the environment. A session with limits has
    /// a control group of its own wherever it was started.
    public var limits: SessionLimits
    /// The event that completes the start. If the keeper ends before, the error has its status and the end of its log.
    public var readiness: KeeperManager.Readiness
    /// The longest wait for that event; the keeper runs on when it passes.
    public var deadline: Duration

    /// A start that is complete when the session takes lines.
    public init(
        environment: ProcessEnvironment = .current,
        command: [String]? = nil,
        arguments: [String]? = nil,
        output: SpawnOutput? = nil,
        labels: SessionLabels = [:],
        scope: ScopePolicy? = nil,
        limits: SessionLimits = SessionLimits(),
        readiness: KeeperManager.Readiness = .accepting,
        deadline: Duration = .seconds(10),
    ) {
        self.environment = environment
        self.command = command
        self.arguments = arguments
        self.output = output
        self.labels = labels
        self.scope = scope
        self.limits = limits
        self.readiness = readiness
        self.deadline = deadline
    }
}
