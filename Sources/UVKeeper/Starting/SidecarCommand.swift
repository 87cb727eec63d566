internal import KeeperProtocol
public import UVLoop

/// The command that becomes a keeper: an argument vector to which the session id is added.
public struct SidecarCommand: Hashable, Sendable, ExpressibleByArrayLiteral {
    /// The variable that names the sidecar: a path, or a JSON array of strings for a command with arguments.
    public static let variable = "UVKEEPER_SIDECAR"
    /// The executable's name.
    public static let executableName = "uvkeeper-sidecar"

    /// Executable and first arguments, for instance `["node", "keeper.cjs"]`; never empty.
    public let argv: [String]

    /// A sidecar of your choice.
    public init(_ argv: [String]) {
        require(!argv.isEmpty, "a sidecar command needs an executable")
        self.argv = argv
    }

    /// A sidecar of your choice.
    public init(arrayLiteral elements: String...) {
        self.init(elements)
    }

    /// The running program itself, which must have called `KeeperSidecar.runIfRequested()` first thing in its main, so
    /// that a server ships as one binary. The command names the file that was started, even if a newer one has replaced
    /// it since.
    ///
    /// - Throws: ``KeeperError/hostNotPrepared(_:)`` if that was not called: each keeper would be another copy of the
    ///   program, which starts the next.
    public static func currentExecutable() throws(KeeperError) -> SidecarCommand {
        let prepared = try preparedHost()
        do throws(UVError) {
            return SidecarCommand([
                withoutMark(prepared.isEmpty ? try CurrentProcess.executablePath() : prepared),
                KeeperConstants.hostArgument,
            ])
        } catch {
            throw .file("/proc/self/exe", error)
        }
    }

    /// The executable's path as main has noted it.
    private static func preparedHost() throws(KeeperError) -> String {
        try checkIsNoSidecar()
        let advice = "call KeeperSidecar.runIfRequested() first thing in main, before anything else"
        if let executable = SidecarHost.executable { return executable }
        var name = ""
        do throws(UVError) { name = try CurrentProcess.executablePath() } catch { name = "" }
        guard !name.utf8.reversed().starts(with: ".xctest".utf8.reversed()) else {
            throw .hostNotPrepared(
                "it is a test bundle, \(name); name the built \(executableName) as the sidecar in tests")
        }
        throw .hostNotPrepared(advice)
    }

    /// Refuses to start a keeper in a program that was itself started as one: the starts would go on without end.
    static func checkIsNoSidecar() throws(KeeperError) {
        guard SidecarHost.isStartedAsKeeper else { return }
        throw .hostNotPrepared(
            "it was started as a keeper and did not become one (\(KeeperVariable.started) is in its environment); name "
                + "\(executableName) as the sidecar, or have main call KeeperSidecar.runIfRequested() before anything else "
                + "and name SidecarCommand.currentExecutable()")
    }

    /// The path without the mark that Linux adds once a program's file was replaced; the new file has the old name.
    private static func withoutMark(_ path: String) -> String {
        let mark = " (deleted)"
        guard path.utf8.reversed().starts(with: mark.utf8.reversed()), !Files.isExecutable(path) else { return path }
        let name = String(path.dropLast(mark.utf8.count))
        return Files.isExecutable(name) ? name : path
    }

    /// Looks for the sidecar: ``variable``, beside the running executable, in `../libexec` from there, in PATH.
    ///
    /// - Throws: ``KeeperError/sidecarNotFound(_:)`` with every place searched. A value of ``variable`` that leads
    ///   nowhere is an error and not passed over.
    public static func find(in environment: ProcessEnvironment = .current) throws(KeeperError) -> SidecarCommand {
        if let value = environment[variable], !value.isEmpty {
            let argv = JSONStringArray.decode(value) ?? [value]
            guard !argv.isEmpty else { throw .sidecarUnusable("\(variable)=\(value)", "the list is empty") }
            return try SidecarCommand(argv).checked(environment)
        }
        var places: [String] = []
        for place in besideExecutable() {
            if Files.isExecutable(place) { return SidecarCommand([place]) }
            places.append(place)
        }
        guard ExecutableSearch.find(executableName, path: environment["PATH"]) != nil else {
            throw .sidecarNotFound(places + ["PATH"])
        }
        return try SidecarCommand([executableName]).checked(environment)
    }

    /// The command with its executable's absolute path. Throws if the file cannot be executed.
    func checked(_ environment: ProcessEnvironment) throws(KeeperError) -> SidecarCommand {
        if argv.dropFirst().first == KeeperConstants.hostArgument { try checkHost() }
        guard let file = ExecutableSearch.find(argv[0], path: environment["PATH"]) else {
            throw .sidecarNotFound([argv[0].isEmpty ? "an empty name" : argv[0]])
        }
        let status: FileStatus
        let path: String
        do throws(UVError) {
            status = try Files.status(of: file)
            path = try AbsolutePath.of(file)
        } catch .noEntry {
            throw .sidecarNotFound([file])
        } catch {
            throw .file(file, error)
        }
        guard status.kind != .directory else { throw .sidecarUnusable(file, "it is a directory") }
        guard Files.isExecutable(file) else {
            let mode = String(status.permissions, radix: 8)
            throw .sidecarUnusable(file, "it is not an executable file, its mode is \(mode)")
        }
        return SidecarCommand([path] + argv.dropFirst())
    }

    /// Refuses this program's own executable, named by hand, if it would start itself without end.
    private func checkHost() throws(KeeperError) {
        do throws(UVError) {
            let own = try Files.status(of: CurrentProcess.executablePath()).identity
            guard try Files.status(of: argv[0]).identity == own else { return }
        } catch {
            // The executable was replaced since, or the sidecar is another program.
            return
        }
        _ = try SidecarCommand.preparedHost()
    }

    /// True if the command is known to start a keeper of ours, which knows settings that the original does not.
    var isOurs: Bool {
        argv.contains { argument in
            argument == KeeperConstants.hostArgument
                || argument.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) }
                    == SidecarCommand.executableName
        }
    }

    private static func besideExecutable() -> [String] {
        do throws(UVError) {
            guard let directory = Files.parent(of: try CurrentProcess.executablePath()) else { return [] }
            return ["\(directory)/\(executableName)", "\(directory)/../libexec/\(executableName)"]
        } catch {
            // The system does not tell where the executable is; PATH remains.
            return []
        }
    }
}
