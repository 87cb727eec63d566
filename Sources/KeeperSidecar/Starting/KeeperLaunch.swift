internal import KeeperProtocol
internal import UVLoop

/// The things a keeper starts with: session, paths, settings, and its log. The session and the limits are checked
/// first; then the initialiser makes the sessions directory, enters it, and opens the log.
struct KeeperLaunch {
    let session: SessionID
    /// The paths for work with files: names relative to the sessions directory, which is the working directory. The
    /// names thus mean the directory that was checked, whatever becomes of its path.
    let paths = KeeperPaths(directory: "")
    /// The paths for messages.
    let shownPaths: KeeperPaths
    private let sessionsDirectory: PrivateDirectory
    /// The path of the directory that this process was started in; empty if it cannot be known.
    let startPath: String
    /// The directory that this process was started in, which becomes the child's; open until the child has started.
    private let startDirectory: OpenDirectory
    let settings: KeeperSettings
    /// The child's executable and its arguments.
    let command: [String]
    /// The mask for new files that this process was started with; the child gets it.
    let fileModeMask: UInt32
    let childEnvironment: ProcessEnvironment
    let log: KeeperLog
    /// The descriptors of two pipes, until the child has its ends.
    private static let descriptorsForOutput: UInt64 = 4

    init(
        arguments: [String], environment: ProcessEnvironment, fileModeMask: UInt32 = 0o022,
    ) throws(KeeperFailure) {
        // All other variables are for the child alone.
        let variables = environment.variables(startingWith: ["PI_", "HOME="])
        settings = KeeperSettings(environment: variables)
        let descriptors = DescriptorLimit.current.soft
        let drainsOutput = settings.outputMaximumBytes > 0 || settings.capturesOutput
        let fewest = KeeperConstants.fewestDescriptors + (drainsOutput ? KeeperLaunch.descriptorsForOutput : 0)
        guard descriptors >= fewest else {
            throw .badConfiguration(
                "a keeper needs \(fewest) descriptors and may have \(descriptors); "
                    + "raise the limit (ulimit -n)")
        }
        let id = try KeeperLaunch.sessionArgument(arguments)
        do throws(SessionIDError) {
            session = try SessionID(id)
        } catch {
            throw .badConfiguration(error.message(for: id))
        }
        self.fileModeMask = fileModeMask
        shownPaths = KeeperPaths(directory: try KeeperLaunch.directory(variables))
        command = try KeeperLaunch.command(variables) ?? settings.command + settings.arguments
        childEnvironment = ProcessEnvironment(entries: KeeperSettings.childEnvironment(from: environment.entries))
        startPath = KeeperLaunch.workingDirectory
        do throws(UVError) {
            startDirectory = try OpenDirectory.working()
        } catch {
            throw .badConfiguration("cannot open the working directory: \(error)")
        }
        sessionsDirectory = try KeeperLaunch.enterDirectory(shownPaths.directory)
        do throws(UVError) {
            log = try KeeperLog(path: paths.log(for: session), maximumBytes: settings.logMaximumBytes)
        } catch {
            let path = shownPaths.log(for: session)
            throw .badConfiguration("cannot open the log \(path): \(error.description(at: path))")
        }
    }

    /// Starts the child in the directory, and with the mask for new files, that this process was started with.
    func inStartDirectory(
        _ start: () throws(SpawnError) -> ChildProcess
    ) throws(SpawnError) -> ChildProcess {
        let own = CurrentProcess.setFileModeMask(fileModeMask)
        defer {
            CurrentProcess.setFileModeMask(own)
            startDirectory.close()
        }
        do throws(UVError) {
            try startDirectory.enter()
        } catch {
            throw .workingDirectory(".", error)
        }
        let child = Result { () throws(SpawnError) in try start() }
        do throws(UVError) {
            try sessionsDirectory.enter()
        } catch {
            // The directory was entered before; only a change of its mode could forbid it now.
            log.write("cannot go back to the sessions directory: \(error)")
        }
        return try child.get()
    }

    /// Runs the keeper to its end. From here on every failure is logged.
    func run() -> KeeperExitStatus {
        log.write("keeper starting: session=\(session) pid=\(CurrentProcess.id) version=\(KeeperSidecar.version)")
        for warning in settings.warnings { log.write(warning) }
        do throws(KeeperFailure) {
            return try Keeper.run(self)
        } catch {
            log.writeLast(error)
            return error.status
        }
    }

    private static var workingDirectory: String {
        do throws(UVError) { return try CurrentProcess.workingDirectory() } catch { return "" }
    }

    /// The session id. The original's server starts `<node> <keeper> <id>`: if this program stands in for the
    /// interpreter, the first of two arguments is the script, a file that exists.
    private static func sessionArgument(_ arguments: [String]) throws(KeeperFailure) -> String {
        switch arguments.count {
        case 1: return arguments[0]
        case 2 where Files.exists(arguments[0]): return arguments[1]
        default:
            throw .badConfiguration("expected one argument, the session id, got \(arguments.count); see --help")
        }
    }

    /// The command in the file or pipe that a variable names, read to its end; nil if the variable is not set.
    private static func command(_ variables: [String: String]) throws(KeeperFailure) -> [String]? {
        guard let path = variables[KeeperVariable.commandFile], !path.isEmpty else { return nil }
        let bytes: [UInt8]
        do throws(UVError) {
            bytes = try CommandReader.read(path)
        } catch .interrupted {
            throw KeeperFailure(status: .ended, reason: "a signal came before the command had been read from \(path)")
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

    /// Makes the sessions directory the working directory, if no other user can replace it or its files: whoever could
    /// replace a socket there would get the lines meant for the child.
    private static func enterDirectory(_ path: String) throws(KeeperFailure) -> PrivateDirectory {
        let directory: PrivateDirectory
        do throws(UVError) {
            directory = try PrivateDirectory(making: path)
            if directory.exposure == nil { try directory.enter() }
        } catch {
            throw .badConfiguration("cannot make the sessions directory \(path): \(error.description(at: path))")
        }
        guard let exposure = directory.exposure else { return directory }
        throw .badConfiguration("the sessions directory \(SessionsDirectory.notPrivate(path, "\(exposure)"))")
    }

    private static func directory(_ variables: [String: String]) throws(KeeperFailure) -> String {
        if let directory = variables[KeeperVariable.sessionsDirectory], !directory.isEmpty { return directory }
        // The user database is asked last: the query may need libraries that a static build lacks.
        if let directory = SessionsDirectory.path(environment: variables, home: variables["HOME"] ?? "") {
            return directory
        }
        var home = ""
        do throws(UVError) { home = try CurrentProcess.homeDirectory() } catch { home = "" }
        guard let directory = SessionsDirectory.path(environment: variables, home: home) else {
            throw .badConfiguration("there is no home directory; set HOME or \(KeeperVariable.dashboardHome)")
        }
        return directory
    }
}
