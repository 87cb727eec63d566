public import KeeperProtocol
public import Logging
public import UVKeeper

extension Keepers {
    /// The settings of the keepers.
    public struct Options: Sendable {
        /// The sessions directory; nil: `.pi/dashboard/sessions` below `PI_DASHBOARD_HOME` or the home directory.
        public var sessionsDirectory: String?
        /// The sidecar; nil: ``/UVKeeper/SidecarCommand/find(in:)`` at each start.
        public var sidecar: SidecarCommand?
        /// The name by which lines are written; nil: a random one. See ``/UVKeeper/KeeperManager/Options/writer``.
        public var writer: WriterName?
        /// The most lines that may wait for a session; more are refused.
        public var maximumWaitingLines = 10_000
        /// The most bytes that may wait for a session, newlines included; more are refused.
        public var maximumWaitingBytes = 67_108_864
        /// The longest line, in bytes, newline included.
        public var maximumLineLength = KeeperConstants.defaultMaximumLineLength
        /// The longest time of polling for acknowledgements without sleeping. See
        /// ``/UVKeeper/KeeperManager/Options/busyPoll``.
        public var busyPoll = Duration.zero
        /// Called with outcomes, answers and events of sessions, on the executor; must return at once.
        public var onMeasurement: (@Sendable (KeeperMeasurement) -> Void)?
        /// The log; silent unless it is set.
        public var logger: Logger?

        /// The defaults.
        public init(sessionsDirectory: String? = nil, sidecar: SidecarCommand? = nil, logger: Logger? = nil) {
            self.sessionsDirectory = sessionsDirectory
            self.sidecar = sidecar
            self.logger = logger
        }
    }
}

extension KeeperManager.Options {
    init(_ options: Keepers.Options) {
        self.init()
        sessionsDirectory = options.sessionsDirectory
        sidecar = options.sidecar
        writer = options.writer
        maximumWaitingLines = options.maximumWaitingLines
        maximumWaitingBytes = options.maximumWaitingBytes
        maximumLineLength = options.maximumLineLength
        busyPoll = options.busyPoll
        if let logger = options.logger { self.logger = logger }
    }
}
