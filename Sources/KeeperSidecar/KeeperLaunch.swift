internal import KeeperProtocol
internal import UVLoop

/// What a keeper is started with, checked before any file exists: session, paths, settings, and its log.
struct KeeperLaunch {
    let session: SessionID
    let paths: KeeperPaths
    let settings: KeeperSettings
    let childEnvironment: ProcessEnvironment
    let log: KeeperLog

    init(arguments: [String], environment: ProcessEnvironment) throws(KeeperFailure) {
        guard arguments.count == 1 else {
            throw .badConfiguration("expected one argument, the session id, got \(arguments.count); see --help")
        }
        do throws(SessionIDError) {
            session = try SessionID(arguments[0])
        } catch {
            throw .badConfiguration(error.message(for: arguments[0]))
        }
        let variables = environment.variables
        paths = KeeperPaths(directory: try KeeperLaunch.directory(variables))
        settings = KeeperSettings(environment: variables)
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
        log.write("keeper starting session=\(session) pid=\(Processes.currentID) version=\(KeeperSidecar.version)")
        for warning in settings.warnings { log.write(warning) }
        do throws(KeeperFailure) {
            return try Keeper.run(self)
        } catch {
            log.writeLast(error)
            return error.status
        }
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
