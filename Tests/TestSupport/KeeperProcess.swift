public import UVLoop

/// A keeper that a test has started: the real executable, in a process of its own.
public final class KeeperProcess {
    /// The session id.
    public let session: String
    /// The process itself; with a shell, the shell until it becomes the keeper.
    public let process: ChildProcess
    /// The keeper's exit; nil while it runs.
    public private(set) var exitStatus: ProcessExit?
    /// True once everything that the keeper wrote to stderr has been read.
    public private(set) var hasClosedStandardError = false
    private var errorBytes: [UInt8] = []
    private let directory: String

    init(
        _ session: String, home: KeeperHome, child: String, arguments: [String], settings: [String: String?],
        shell: String?,
    ) throws {
        self.session = session
        directory = home.directory
        var variables: [String: String?] = [
            "HOME": home.base,
            "PI_DASHBOARD_HOME": home.base,
            "PI_KEEPER_PI_CMD": KeeperProcess.json(["/bin/sh", "-c", child]),
            "PI_KEEPER_PI_ARGS": "[]",
        ]
        // The search paths of the build's libraries, and the options of sanitizers.
        for name in ["PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"] {
            variables[name] = ProcessEnvironment.current[name]
        }
        variables.merge(settings) { $1 }
        let command = [BuiltProducts.sidecar] + arguments
        let configuration = ChildProcess.Configuration(
            executable: shell == nil ? command[0] : "/bin/sh",
            arguments: shell.map { ["-c", $0, "sh"] + command } ?? Array(command.dropFirst()),
            environment: ProcessEnvironment(variables.compactMapValues { $0 }),
            stdio: [.ignore, .ignore, .pipe],
        )
        var ended: (ProcessExit) -> Void = { _ in }
        process = try ChildProcess(configuration, on: home.loop) { _, status in ended(status) }
        ended = { [weak self] in self?.exitStatus = $0 }
        try process.streams[2]!.readStart(
            onBytes: { [weak self] _, bytes in bytes.withUnsafeBytes { self?.errorBytes.append(contentsOf: $0) } },
            onEnd: { [weak self] stream, _ in
                stream.close()
                self?.hasClosedStandardError = true
            },
        )
    }

    /// The process id.
    public var pid: Int32 { process.pid }
    /// The system's figures for the process.
    public var figures: ProcessFigures { ProcessFigures(of: pid) }
    /// The bytes written to stderr so far, as text.
    public var standardError: String { String(decoding: errorBytes, as: UTF8.self) }

    // MARK: Files

    /// The path of the socket.
    public var socket: String { "\(directory)/\(session).rpc.sock" }
    /// The path of the file with the keeper's pid.
    public var pidFile: String { socket + ".pid" }
    /// The path of the file with the child's pid.
    public var childPIDFile: String { socket + ".pi-pid" }
    /// The path of the log.
    public var logFile: String { "\(directory)/keeper-\(session).log" }

    /// The log so far, with invalid UTF-8 repaired.
    public var log: String {
        (try? Files.read(logFile, limit: .max)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// True if clients reach this keeper: every file of its session exists then.
    public var listens: Bool { SocketProbe(socket) == .accepting(pid: pid) }

    /// The content of the child's pid file.
    public var childPID: Int32? {
        (try? Files.read(childPIDFile, limit: 32)).flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }

    /// Returns the identities of the keeper's three files.
    public func identities() throws -> [FileIdentity] {
        try [socket, pidFile, childPIDFile].map { try Files.status(of: $0, followingLinks: false).identity }
    }

    // MARK: Signals

    /// Sends the keeper a signal.
    public func send(_ signal: Signal) throws { try process.kill(signal) }

    /// Kills the keeper, and a child that would survive it.
    func kill() {
        guard exitStatus == nil else { return }
        if let child = childPID, ProcessDetails(of: child)?.parent == pid { try? Processes.send(.kill, to: child) }
        // The keeper may have ended meanwhile.
        try? process.kill(.kill)
    }

    private static func json(_ strings: [String]) -> String {
        let quoted = strings.map {
            "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n") + "\""
        }
        return "[" + quoted.joined(separator: ",") + "]"
    }
}
