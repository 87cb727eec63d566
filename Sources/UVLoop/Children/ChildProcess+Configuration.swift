extension ChildProcess {
    /// The program to start, and how to start it.
    public struct Configuration: Sendable {
        /// The path of the executable, or a name to look for in the directories of the child's PATH.
        public var executable: String
        /// The arguments after the program's name.
        public var arguments: [String]
        /// The child's environment; nil: this process's own.
        public var environment: ProcessEnvironment?
        /// The child's working directory; nil: this process's own.
        public var workingDirectory: String?
        /// `stdio[n]` becomes the child's descriptor `n`. If fewer than three are given, the rest of 0, 1 and 2 are
        /// `/dev/null`. The child gets no other descriptors.
        public var stdio: [Stdio]
        /// The child's relation to this process and its window.
        public var flags: Flags
        /// The user to run as; needs the privilege. Mirrors `UV_PROCESS_SETUID`.
        public var userID: UInt32?
        /// The group to run as; needs the privilege. Mirrors `UV_PROCESS_SETGID`.
        public var groupID: UInt32?
        /// True to start the child by `uv_spawn` even where there is a better way.
        public var usesLibuv = false

        /// Creates the configuration of a child whose three standard descriptors are `/dev/null`.
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

    /// The source of one of the child's descriptors.
    public enum Stdio: Hashable, Sendable {
        /// `/dev/null`.
        case ignore
        /// A new pipe, whose other end is in ``ChildProcess/streams``: the child reads descriptor 0 and writes 1 and 2;
        /// from 3 on, the descriptor is a socket for both directions. (libuv's own pipes are sockets, which a child
        /// cannot open again by name, H39.)
        case pipe
        /// A copy of a descriptor of this process; the caller keeps and closes the original. If `uv_spawn` starts the
        /// child, 0 to 2 become blocking for everybody who shares the open file (H40).
        case descriptor(Int32)
    }

    /// The child's relation to this process. Mirrors `uv_process_flags`.
    public struct Flags: OptionSet, Hashable, Sendable {
        /// The bits; ours, not libuv's, to which they are mapped.
        public let rawValue: Int

        /// Creates a set from its bits.
        public init(rawValue: Int) {
            self.rawValue = rawValue
        }

        /// Start the child in a session and group of its own, so that it survives this process and its terminal. Stdio
        /// and directory stay as configured (H43: a detached process has no more than a session).
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
