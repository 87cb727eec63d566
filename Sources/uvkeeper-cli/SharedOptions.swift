import ArgumentParser
import KeeperProtocol
import UVKeeper

/// The options of every subcommand.
struct SharedOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The sessions directory.",
            discussion:
                "Default: .pi/dashboard/sessions below PI_DASHBOARD_HOME or the home directory. PI_KEEPER_SESSIONS_DIR is "
                + "for keepers, and not read here.",
            valueName: "dir"))
    var sessionsDir: String?

    @Flag(help: "Print JSON: one object, or one per line where there are many.")
    var json = false

    /// Runs `body` with a manager on a loop, then the loop until the body has called its last argument with an exit code.
    ///
    /// - Parameters:
    ///   - unreported: the exit code if it was 0 and the report of it could not be written.
    ///   - maximumLineLength: of the lines that the manager writes.
    ///   - refusesExposed: false for the command that reports what it finds wrong with the sessions directory. Others end
    ///     before the body if other users can change it.
    /// - Throws: that exit code, if it is not 0, also when there is no manager; or why there is no loop.
    func run(
        unreported: ExitCode = .failure,
        maximumLineLength: Int = KeeperConstants.defaultMaximumLineLength,
        refusesExposed: Bool = true,
        _ body: (KeeperManager, Loop, @escaping (ExitCode) -> Void) -> Void,
    ) throws {
        if let unexpanded { return try refuse(unexpanded) }
        let loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = sessionsDir
        options.maximumLineLength = maximumLineLength
        var code: ExitCode?
        do throws(KeeperError) {
            let manager = try KeeperManager(on: loop, options: options)
            if refusesExposed { try manager.checkSessionsDirectory() }
            body(manager, loop) { result in
                code = result
                manager.close()
                loop.closeHandles()
            }
        } catch {
            fail(error) { code = $0 }
        }
        loop.run()
        loop.closeHandles()
        loop.run()
        try loop.close()
        guard let code else { preconditionFailure("the command ended without an outcome") }
        if !Output.flush() {
            Output.reportLoss()
            throw code == .success ? unreported : code
        }
        if code != .success { throw code }
    }

    /// The words for a sessions directory that begins with a `~` that no shell has replaced.
    private var unexpanded: String? {
        if let sessionsDir {
            return SessionsDirectory.isUnexpanded(sessionsDir)
                ? SessionsDirectory.unexpanded(sessionsDir, in: "--sessions-dir") : nil
        }
        let variables = ProcessEnvironment.current.variables
        return SessionsDirectory.unexpanded(environment: variables, home: variables["HOME"] ?? "")
    }

    private func refuse(_ reason: String) throws {
        report(reason)
        throw ExitCode.failure
    }

    /// Reports a failure: a sentence on stderr, or with `--json` an object on stdout.
    func fail(_ error: some Error, as code: ExitCode = .failure, _ done: (ExitCode) -> Void) {
        report(ErrorText.of(error))
        done(code)
    }

    private func report(_ reason: String) {
        if json {
            Output.json(["error": reason])
        } else {
            Output.error(reason)
        }
    }
}

extension ExitCode {
    /// Bytes were handed over and never confirmed.
    static let unknownOutcome = ExitCode(2)
}
