internal import KeeperProtocol
internal import UVLoop

/// The order to start a keeper: its settings and its child's command. Everything that can be checked before a start is
/// checked here, before any file of the session exists.
struct KeeperOrder {
    let session: SessionID
    let sidecar: SidecarCommand
    let workingDirectory: String
    /// The keeper's environment, settings included.
    private(set) var environment: ProcessEnvironment
    /// The child's whole command for the keeper's standard input; nil if the command goes into the environment.
    private(set) var commandFile: [UInt8]?

    /// The longest command or argument list, as JSON, for an environment variable, in bytes: the system takes 128 KiB
    /// for a variable, its name included.
    private static let longestVariable = 98_304

    init(
        _ session: SessionID,
        by sidecar: SidecarCommand,
        in workingDirectory: String,
        _ options: SpawnOptions,
        sessionsDirectory: String,
    ) throws(KeeperError) {
        self.session = session
        self.sidecar = sidecar
        self.workingDirectory = workingDirectory
        environment = options.environment
        let command = options.command
        try setCommand(command, options.arguments ?? (command == nil ? nil : []))
        try setOutput(options.output)
        try setLabels(options.labels)
        try setGroup(options.scope, options.limits)
        setDirectory(sessionsDirectory)
        // The first variable tells the process to be a keeper. The second one marks a keeper's child, which this
        // program may be: the keeper must not inherit it.
        self.environment[KeeperVariable.started] = "1"
        self.environment[KeeperVariable.spawned] = nil
        // The runtime of a fully static keeper looks for its own file in /proc before its main, and aborts without;
        // this variable spares it the look.
        if sidecar.isOurs, !Files.exists("/proc/self/exe"), self.environment["SWIFT_ROOT"] == nil {
            self.environment["SWIFT_ROOT"] = "/"
        }
        // The sessions directory is made if it is missing.
        if workingDirectory != sessionsDirectory { try checkDirectory() }
        try checkCommand(command)
    }

    private mutating func setOutput(_ output: SpawnOutput?) throws(KeeperError) {
        guard let output else { return }
        environment[KeeperVariable.captureOutput] = output == .captured ? "1" : nil
        environment[KeeperVariable.outputMaximumBytes] = nil
        guard case .kept(let bytes) = output, bytes > 0 else { return }
        guard sidecar.isOurs else { throw .noChannel(session, "keep output") }
        environment[KeeperVariable.outputMaximumBytes] = "\(bytes)"
    }

    private mutating func setLabels(_ labels: SessionLabels) throws(KeeperError) {
        guard !labels.isEmpty else { return }
        guard sidecar.isOurs else { throw .noChannel(session, "have labels") }
        do throws(SessionLabelsError) {
            let known = environment[KeeperVariable.labels].flatMap(KeeperOrder.labels) ?? [:]
            let all = try known.changed(by: labels.json.members ?? [])
            environment[KeeperVariable.labels] = String(decoding: all.json.encoded, as: UTF8.self)
        } catch {
            throw .invalidLabels("\(error)")
        }
    }

    /// Sets scope and limits. A foreign sidecar gets none of these variables, and limits or a required scope are
    /// refused for it.
    private mutating func setGroup(_ scope: ScopePolicy?, _ limits: SessionLimits) throws(KeeperError) {
        guard sidecar.isOurs else {
            guard limits.isEmpty else { throw .noChannel(session, "have limits") }
            guard scope != .require else { throw .noChannel(session, "have a scope of its own") }
            return
        }
        for (name, value) in limits.environment { environment[name] = value }
        if let scope {
            environment[KeeperVariable.scope] = scope.rawValue
        } else if environment[KeeperVariable.scope]?.isEmpty ?? true {
            environment[KeeperVariable.scope] = ScopePolicy.auto.rawValue
        }
    }

    private static func labels(_ text: String) -> SessionLabels? {
        do { return try SessionLabels.of(try JSONValue(Array(text.utf8))) } catch { return nil }
    }

    private mutating func setCommand(_ command: [String]?, _ arguments: [String]?) throws(KeeperError) {
        if let command, command.first?.isEmpty ?? true { throw .invalidCommand }
        guard !((command ?? []) + (arguments ?? [])).contains(where: { $0.utf8.contains(0) }) else {
            throw .invalidCommand
        }
        guard command != nil || arguments != nil else { return }
        environment[KeeperVariable.commandFile] = nil
        let lists = [command, arguments].map { $0.map { JSONStringArray.encode($0) } }
        let isTooLong = lists.contains { $0?.utf8.count ?? 0 > KeeperOrder.longestVariable }
        // A byte that is no UTF-8 has no place in JSON either.
        let isPlain = ((command ?? []) + (arguments ?? [])).allSatisfy { RawText.isPlain($0) }
        guard sidecar.isOurs, isTooLong || !isPlain else {
            // A foreign sidecar would repair such bytes, and run another command.
            guard isPlain else { throw .notForForeignSidecar }
            if let command = lists[0] { environment[KeeperVariable.command] = command }
            if let arguments = lists[1] { environment[KeeperVariable.arguments] = arguments }
            return
        }
        let whole = (command ?? KeeperSettings(environment: environment.variables).command) + (arguments ?? [])
        commandFile = CommandFile.encode(whole.map { RawText.bytes(of: $0) })
        environment[KeeperVariable.command] = nil
        environment[KeeperVariable.arguments] = nil
        environment[KeeperVariable.commandFile] = CommandFile.standardInput
    }

    /// Sets the directory itself, not the rule from which it follows: both sides must come to the same one. A foreign
    /// sidecar knows only the rule; and the child of one of ours keeps the variable as it was given.
    private mutating func setDirectory(_ directory: String) {
        environment[KeeperVariable.sessionsDirectory] = directory
        guard !sidecar.isOurs else { return }
        let suffix = SessionsDirectory.components.map { "/\($0)" }.joined()
        let derived = SessionsDirectory.path(environment: environment.variables, home: environment["HOME"] ?? "")
        // Paths are compared by bytes, as the system does.
        guard derived.map({ !$0.utf8.elementsEqual(directory.utf8) }) ?? true,
            directory.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
        else { return }
        let base = String(Substring(directory.utf8.dropLast(suffix.utf8.count)))
        environment[KeeperVariable.dashboardHome] = base.isEmpty ? "/" : base
    }

    private func checkDirectory() throws(KeeperError) {
        guard !workingDirectory.isEmpty else { throw .noWorkingDirectory }
        guard !workingDirectory.utf8.contains(0) else { throw .cannotStart(.invalidArgument) }
        do throws(UVError) {
            guard try Files.status(of: workingDirectory).kind == .directory else { throw .notDirectory }
            // The trailing dot asks for the permission to enter it too.
            _ = try Files.status(of: workingDirectory + "/.")
        } catch {
            throw .cannotStart(.workingDirectory(workingDirectory, error))
        }
    }

    /// The child's executable, as its keeper will look for it.
    private func checkCommand(_ command: [String]?) throws(KeeperError) {
        // A command file of somebody else is read once, by the keeper.
        guard command != nil || environment[KeeperVariable.commandFile] == nil else { return }
        let name = command?[0] ?? KeeperSettings(environment: environment.variables).command[0]
        guard let file = ExecutableSearch.find(name, path: environment["PATH"], in: workingDirectory) else {
            throw .unusable(.executableNotFound(name))
        }
        let path = file.utf8.first == UInt8(ascii: "/") ? file : "\(workingDirectory)/\(file)"
        guard !Files.isExecutable(path) else { return }
        do throws(UVError) {
            let kind = try Files.status(of: path).kind
            throw kind == .directory ? UVError.isDirectory : .accessDenied
        } catch .noEntry {
            throw .unusable(.executableNotFound(name))
        } catch {
            throw .unusable(.executable(name, error))
        }
    }
}
