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
        precondition(!argv.isEmpty, "a sidecar command needs an executable")
        self.argv = argv
    }

    /// A sidecar of your choice.
    public init(arrayLiteral elements: String...) {
        self.init(elements)
    }

    /// The running program itself, which must call `KeeperSidecar.runIfRequested()` first thing in its main; so a server
    /// ships as one binary.
    public static func currentExecutable() throws(KeeperError) -> SidecarCommand {
        do throws(UVError) {
            return SidecarCommand([try LibUV.executablePath(), KeeperConstants.hostArgument])
        } catch {
            throw .file("/proc/self/exe", error)
        }
    }

    /// Looks for the sidecar: ``variable``, beside the running executable, in `../libexec` from there, in PATH.
    ///
    /// - Throws: ``KeeperError/sidecarNotFound(_:)`` with every place that was looked at. A value of ``variable`` that
    ///   leads nowhere is an error and not passed over.
    public static func find(in environment: ProcessEnvironment = .current) throws(KeeperError) -> SidecarCommand {
        if let value = environment[variable], !value.isEmpty {
            let argv = JSONStringArray.decode(value) ?? [value]
            return try SidecarCommand(argv.isEmpty ? [value] : argv).checked(environment)
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

    /// The command with its executable's absolute path, if that exists.
    func checked(_ environment: ProcessEnvironment) throws(KeeperError) -> SidecarCommand {
        guard let file = ExecutableSearch.find(argv[0], path: environment["PATH"]), Files.isExecutable(file) else {
            throw .sidecarNotFound([argv[0]])
        }
        do throws(UVError) {
            return SidecarCommand([try AbsolutePath.of(file)] + argv.dropFirst())
        } catch {
            throw .file(file, error)
        }
    }

    private static func besideExecutable() -> [String] {
        do throws(UVError) {
            guard let directory = Files.parent(of: try LibUV.executablePath()) else { return [] }
            return ["\(directory)/\(executableName)", "\(directory)/../libexec/\(executableName)"]
        } catch {
            // The system does not tell where the executable is; PATH remains.
            return []
        }
    }
}
