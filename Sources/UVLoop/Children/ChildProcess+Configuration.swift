extension ChildProcess {
    /// What to start, and how.
    public struct Configuration: Sendable {
        /// The file, or a name to look for in the directories of the child's PATH.
        public var executable: String
        /// The arguments after the name.
        public var arguments: [String]
        /// Nil: this process's own.
        public var environment: ProcessEnvironment?
        /// Nil: this process's own.
        public var workingDirectory: String?
        /// What the child's descriptors are, by number; the first three are ignored if not given, and after the last one
        /// it has none.
        public var stdio: [Stdio]
        /// How it relates to this process and its window.
        public var flags: Flags
        /// Run as another user; needs the privilege. Mirrors `UV_PROCESS_SETUID`.
        public var userID: UInt32?
        /// Run as another group; needs the privilege. Mirrors `UV_PROCESS_SETGID`.
        public var groupID: UInt32?
        /// Start it by `uv_spawn` even where there is a better way.
        public var usesLibuv = false

        /// A child with nothing on its three standard descriptors.
        public init(
            executable: String,
            arguments: [String] = [],
            environment: ProcessEnvironment? = nil,
            workingDirectory: String? = nil,
            stdio: [Stdio] = [.ignore, .ignore, .ignore],
            flags: Flags = [],
            userID: UInt32? = nil,
            groupID: UInt32? = nil,
        ) {
            self.executable = executable
            self.arguments = arguments
            self.environment = environment
            self.workingDirectory = workingDirectory
            self.stdio = stdio
            self.flags = flags
            self.userID = userID
            self.groupID = groupID
        }

        var needsLibuv: Bool { usesLibuv || userID != nil || groupID != nil }
    }

    /// What one of the child's descriptors is.
    public enum Stdio: Hashable, Sendable {
        /// `/dev/null`.
        case ignore
        /// A new pipe, whose other end is in ``ChildProcess/streams``: for descriptor 0 one that the child reads, for 1
        /// and 2 one that it writes, above that a socket for both. (libuv's own pipes are sockets, which a child cannot
        /// open again by name, H39.)
        case pipe
        /// A copy of a descriptor of this process; it stays the caller's. Where `uv_spawn` starts the child, 0 to 2 become
        /// blocking, for everybody who shares the open file (H40).
        case descriptor(Int32)
    }

    /// How the child relates to this process. Mirrors `uv_process_flags`.
    public struct Flags: OptionSet, Hashable, Sendable {
        /// Our own bits; they are mapped to libuv's.
        public let rawValue: Int

        /// From bits.
        public init(rawValue: Int) {
            self.rawValue = rawValue
        }

        /// In a session and group of its own, so that it survives this process and its terminal. Nothing else changes:
        /// stdio and directory stay as configured (H43).
        public static let detached = Flags(rawValue: 1 << 0)
        /// No window at all. Windows only, ignored elsewhere.
        public static let hideWindow = Flags(rawValue: 1 << 1)
        /// No console window. Windows only, ignored elsewhere.
        public static let hideWindowConsole = Flags(rawValue: 1 << 2)
        /// No window of its own. Windows only, ignored elsewhere.
        public static let hideWindowGUI = Flags(rawValue: 1 << 3)
        /// Arguments are joined without quoting. Windows only, ignored elsewhere.
        public static let verbatimArguments = Flags(rawValue: 1 << 4)
    }
}
