import ArgumentParser
import Foundation
import KeeperProtocol
import UVKeeper

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print a unit for systemd: of a server that keeps sessions, or of one session.",
        discussion: """
            The unit is printed and nothing else is done. A server's sessions get scopes of their own and outlive its stop and \
            restart. A session of its own unit is started, bounded and stopped by systemctl, and every server that uses the same \
            directory adopts it.

              uvkeeper export --systemd --server -- my-server --port 80 > /etc/systemd/system/my-server.service
              uvkeeper export --systemd --session work --sessions-dir /var/lib/my-server -- my-agent --stdio
              uvkeeper export --systemd --session work --user ann --memory-max 8G -- my-agent

            Look at it with systemd-analyze verify.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: "A unit for systemd, the only format so far.")
    var systemd = false

    @Flag(help: "The unit of a server; the command is the server.")
    var server = false

    @Option(help: "The unit of this session; the command is its child.", transform: SessionID.init)
    var session: SessionID?

    @Option(
        help: ArgumentHelp(
            "The user it runs as. Default: that of the manager, root for the system's.", valueName: "name"))
    var user: String?

    @OptionGroup var group: GroupOptions

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
    var command: [String] = []

    func validate() throws {
        guard systemd else { throw ValidationError("There is one kind of unit: give --systemd") }
        guard server != (session != nil) else { throw ValidationError("Give --server, or --session and its name") }
        guard let executable = command.first, !executable.isEmpty else {
            throw ValidationError("There is no command; give it after --")
        }
        guard command.allSatisfy(RawText.isPlain) else {
            throw ValidationError("A unit is text: the command has bytes that are no UTF-8")
        }
        guard shared.sessionsDir.map(RawText.isPlain) ?? true else {
            throw ValidationError("A unit is text: the sessions directory has bytes that are no UTF-8")
        }
        guard user.map(UnitText.isUser) ?? true else {
            throw ValidationError(
                "--user takes a user's name, or a number, as systemd does: without spaces, colons, slashes and backslashes"
            )
        }
        guard session == nil || group.scope == nil else {
            throw ValidationError("A session of its own unit needs no scope; leave --scope out")
        }
        guard !server || group.limits.isEmpty else {
            throw ValidationError("Limits are those of a session; they go with --session")
        }
    }

    func run() throws {
        guard let executable = ExportCommand.absolute(command[0]) else {
            shared.report("there is no executable '\(command[0])'")
            throw ExitCode.failure
        }
        guard Files.isExecutable(executable) else {
            shared.report("\(executable) is no executable file")
            throw ExitCode.failure
        }
        let directory = shared.sessionsDir.map { ExportCommand.fromHere($0) }
        let argv = [executable] + command.dropFirst()
        let lines = try session.map { try unit(of: $0, argv, directory) } ?? unit(ofServer: argv, directory)
        let text = lines.joined(separator: "\n")
        shared.json ? Output.json(["unit": text + "\n"]) : Output.text(text)
    }

    /// The line `ExecStart=`.
    private func start(_ argv: [String]) throws -> String {
        guard UnitText.canStart(argv[0]) else {
            shared.report("systemd starts no executable with quotes, backslashes or control characters in its path")
            throw ExitCode.failure
        }
        let line = "ExecStart=\(UnitText.command(argv))"
        guard line.utf8.count < UnitText.longestLine else {
            shared.report("the command is too long for a unit, whose lines systemd reads up to 1 MiB")
            throw ExitCode.failure
        }
        return line
    }

    private func unit(ofServer argv: [String], _ directory: String?) throws -> [String] {
        let start = try self.start(argv)
        var lines = [
            "[Unit]", "Description=\(UnitText.value(argv[0])), a server that keeps sessions", "", "[Service]",
            start,
        ]
        if let user { lines.append("User=\(UnitText.value(user))") }
        let policy = group.scope ?? .auto
        if policy != .off {
            lines += [
                "# Each session leaves this unit for a scope of its own: a stop or restart ends the server and what else it has",
                "# started, and no session. A session's status says whether it has one (survivesServiceStop).",
            ]
        }
        lines += [
            "Environment=\(UnitText.variable(KeeperVariable.scope, policy.rawValue))"
        ]
        if let directory {
            lines.append("Environment=\(UnitText.variable(KeeperVariable.sessionsDirectory, directory))")
        }
        if user != nil {
            lines += [
                "# Without root, a session's scope is made by the service manager of that user, which runs while they are logged",
                "# in, and always after: loginctl enable-linger \(UnitText.value(user ?? ""))",
            ]
        }
        return lines + ["Restart=on-failure", "", "[Install]", "WantedBy=default.target"]
    }

    private func unit(of session: SessionID, _ argv: [String], _ directory: String?) throws -> [String] {
        let sidecar: [String]
        do { sidecar = try SidecarCommand.find().argv } catch {
            shared.report(ErrorText.of(error))
            throw ExitCode.failure
        }
        let start = try self.start(sidecar.map { ExportCommand.absolute($0) ?? $0 } + [session.rawValue])
        let settings = [
            (KeeperVariable.command, JSONStringArray.encode(argv)), (KeeperVariable.arguments, "[]"),
            (KeeperVariable.outputMaximumBytes, "8388608"), (KeeperVariable.stopEndOfInput, "5000"),
            (KeeperVariable.stopTerminate, "5000"),
        ]
        var lines = [
            "[Unit]", "Description=Session \(session)", "CollectMode=inactive-or-failed", "", "[Service]", "Type=exec",
            start,
        ]
        if let user { lines.append("User=\(UnitText.value(user))") }
        if let directory {
            lines.append("Environment=\(UnitText.variable(KeeperVariable.sessionsDirectory, directory))")
        }
        guard settings.allSatisfy({ $0.0.utf8.count + 1 + $0.1.utf8.count < UnitText.longestVariable }) else {
            shared.report("the command is too long for a unit, which hands it on in a variable: 128 KiB")
            throw ExitCode.failure
        }
        lines += settings.map { "Environment=\(UnitText.variable($0.0, $0.1))" }
        lines += [
            "# The session stays in this unit, which bounds and ends it, whatever the manager's environment says.",
            "Environment=\(UnitText.variable(KeeperVariable.scope, ScopePolicy.off.rawValue))",
            "# The keeper alone gets SIGTERM, and ends its child by its steps: end of input, 5 s, SIGTERM, 5 s, SIGKILL.",
            "KillMode=mixed", "TimeoutStopSec=15",
            "# The kernel kills a process at the limit of memory, and not the session because of it.",
            "OOMPolicy=continue",
            "# A session that starts again is another conversation.",
            "Restart=no",
        ]
        let limits = group.limits
        for (name, value) in [
            ("MemoryMax", limits.memoryMaximum.map { "\($0)" }), ("MemoryHigh", limits.memoryHigh.map { "\($0)" }),
            ("CPUQuota", limits.cpuQuota.map { "\($0)%" }), ("TasksMax", limits.tasksMaximum.map { "\($0)" }),
        ] {
            if let value { lines.append("\(name)=\(value)") }
        }
        return lines + ["", "[Install]", "WantedBy=default.target"]
    }

    /// The absolute path of the executable with a name; nil if there is none.
    private static func absolute(_ name: String) -> String? {
        ExecutableSearch.find(name, path: ProcessEnvironment.current["PATH"]).map(fromHere)
    }

    private static func fromHere(_ path: String) -> String {
        guard path.utf8.first != UInt8(ascii: "/") else { return path }
        let here = FileManager.default.currentDirectoryPath
        return path.hasPrefix("./") ? "\(here)/\(path.dropFirst(2))" : "\(here)/\(path)"
    }
}
