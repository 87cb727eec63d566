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
            valueName: "dir"),
        completion: .directory)
    var sessionsDir: String?

    @Flag(help: "Print JSON: one object, or one per line where there are many.")
    var json = false

    /// The words for a sessions directory that begins with a `~` that no shell has replaced.
    var unexpanded: String? {
        if let sessionsDir {
            return SessionsDirectory.isUnexpanded(sessionsDir)
                ? SessionsDirectory.unexpanded(sessionsDir, in: "--sessions-dir") : nil
        }
        let variables = ProcessEnvironment.current.variables
        return SessionsDirectory.unexpanded(environment: variables, home: variables["HOME"] ?? "")
    }

    /// Reports a failure: a sentence on stderr, or with `--json` an object on stdout.
    func fail(_ error: some Error, as code: ExitCode = .failure, _ done: (ExitCode) -> Void) {
        report(ErrorText.of(error))
        done(code)
    }

    /// Reports the result of a request to a session: as a sentence, or with `--json` as an object.
    func report(
        _ result: Result<Void, KeeperError>, of session: SessionID, as name: String, _ text: String,
        _ manager: KeeperManager, _ done: (ExitCode) -> Void,
    ) {
        switch result {
        case .failure(let error): return fail(SessionAbsence.explained(error, session, manager), done)
        case .success where json: Output.json(["session": session.rawValue, "result": name])
        case .success: Output.line("session \(session): \(text)")
        }
        done(.success)
    }

    /// Reports a failure in these words.
    func report(_ reason: String) {
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
    /// The session has ended, and its record tells how; the same code as `systemctl status`.
    static let hasEnded = ExitCode(3)
    /// The answer to a request is an error.
    static let answeredByError = ExitCode(3)
    /// The time is over; the same code as `timeout`.
    static let timedOut = ExitCode(124)
    /// There is no session to wait for; the same code as the shell's `wait`.
    static let noSuchSession = ExitCode(127)
}
