internal import KeeperProtocol
internal import UVLoop

/// What a keeper is started with, checked before any file exists: session, paths, settings, and its log.
struct KeeperLaunch {
    let session: SessionID
    let paths: KeeperPaths
    let settings: KeeperSettings
    /// The child's executable and its arguments.
    let command: [String]
    /// The mask for new files that this process was started with, and that its child gets.
    let fileModeMask: UInt32
    let childEnvironment: ProcessEnvironment
    let log: KeeperLog

    init(
        arguments: [String], environment: ProcessEnvironment, fileModeMask: UInt32 = 0o022,
    ) throws(KeeperFailure) {
        let id = try KeeperLaunch.sessionArgument(arguments)
        do throws(SessionIDError) {
            session = try SessionID(id)
        } catch {
            throw .badConfiguration(error.message(for: id))
        }
        self.fileModeMask = fileModeMask
        let variables = environment.variables
        paths = KeeperPaths(directory: try KeeperLaunch.directory(variables))
        settings = KeeperSettings(environment: variables)
        command = try KeeperLaunch.command(variables) ?? settings.command + settings.arguments
        childEnvironment = ProcessEnvironment(entries: KeeperSettings.childEnvironment(from: environment.entries))
        try KeeperLaunch.makeDirectory(paths.directory)
        do throws(UVError) {
            log = try KeeperLog(path: paths.log(for: session), maximumBytes: settings.logMaximumBytes)
        } catch {
            throw .badConfiguration("cannot open the log \(paths.log(for: session)): \(error)")
        }
    }

    /// Runs the keeper to its end. From here on, whatever goes wrong is in the log.
    func run() -> KeeperExitStatus {
        log.write("keeper starting: session=\(session) pid=\(Processes.currentID) version=\(KeeperSidecar.version)")
        for warning in settings.warnings { log.write(warning) }
        do throws(KeeperFailure) {
            return try Keeper.run(self)
        } catch {
            log.writeLast(error)
            return error.status
        }
    }

    /// The session id. A server of the original's shape starts `<node> <keeper> <id>`: if this program stands in for its
    /// interpreter, the first of two arguments is the script, a file that exists.
    private static func sessionArgument(_ arguments: [String]) throws(KeeperFailure) -> String {
        switch arguments.count {
        case 1: return arguments[0]
        case 2 where Files.exists(arguments[0]): return arguments[1]
        default:
            throw .badConfiguration("expected one argument, the session id, got \(arguments.count); see --help")
        }
    }

    /// The command that a file or pipe has, if a variable names one; it is read to its end.
    private static func command(_ variables: [String: String]) throws(KeeperFailure) -> [String]? {
        guard let path = variables[KeeperVariable.commandFile], !path.isEmpty else { return nil }
        let bytes: [UInt8]
        do throws(UVError) {
            bytes = try CommandReader.read(path)
        } catch {
            throw .badConfiguration("cannot read the command from \(KeeperVariable.commandFile)=\(path): \(error)")
        }
        guard let command = CommandFile.decode(bytes) else {
            throw .badConfiguration(
                "\(KeeperVariable.commandFile)=\(path) is no command: strings, each ended by a zero byte, the first not empty"
            )
        }
        return command.map { RawText.string($0) }
    }

    private static func makeDirectory(_ path: String) throws(KeeperFailure) {
        let exposure: String?
        do throws(UVError) {
            try Files.makeDirectory(at: path)
            exposure = try Files.status(of: path).exposure
        } catch {
            throw .badConfiguration("cannot make the sessions directory \(path): \(error)")
        }
        // Whoever can replace a socket there gets what is meant for its child.
        guard let exposure else { return }
        throw .badConfiguration(
            "the sessions directory \(SessionsDirectory.notPrivate(path, exposure))")
    }

    private static func directory(_ variables: [String: String]) throws(KeeperFailure) -> String {
        if let directory = variables[KeeperVariable.sessionsDirectory], !directory.isEmpty { return directory }
        // The user database is asked only where nothing else tells: it may need libraries that a static build does not have.
        if let directory = SessionsDirectory.path(environment: variables, home: variables["HOME"] ?? "") {
            return directory
        }
        var home = ""
        do throws(UVError) { home = try LibUV.homeDirectory() } catch { home = "" }
        guard let directory = SessionsDirectory.path(environment: variables, home: home) else {
            throw .badConfiguration("there is no home directory; set HOME or \(KeeperVariable.dashboardHome)")
        }
        return directory
    }
}
