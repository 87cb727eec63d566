import ArgumentParser
import UVKeeper

struct KillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill",
        abstract: "End sessions: keeper and child.",
        discussion: """
            Sends SIGTERM to the keeper's process group, SIGKILL to what is left of it after --grace, and removes leftover \
            files. Exits with 1 if a session has neither keeper nor files, does not end, or leaves files behind.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The sessions.", transform: SessionID.init)
    var sessions: [SessionID] = []

    @Flag(help: "Every session in the directory.")
    var all = false

    @Option(help: ArgumentHelp("The time between SIGTERM and SIGKILL.", valueName: "seconds"))
    var grace = 2.0

    func validate() throws {
        guard all != !sessions.isEmpty else {
            throw ValidationError("Name the sessions to end, or give --all, one of the two")
        }
        guard grace >= 0, grace < 1e6 else { throw ValidationError("--grace takes seconds, 0 or more") }
    }

    func run() throws {
        try shared.run(unreported: .unknownOutcome) { manager, loop, done in
            guard all else { return kill(sessions, manager, done) }
            manager.listKeepers { result in
                switch result {
                case .failure(let error): shared.fail(error, done)
                case .success(let keepers):
                    keepers.isEmpty ? done(.success) : kill(keepers.map(\.session), manager, done)
                }
            }
        }
    }

    private func kill(_ sessions: [SessionID], _ manager: KeeperManager, _ done: @escaping (ExitCode) -> Void) {
        var left = sessions.count
        var code = ExitCode.success
        for session in sessions.map(\.rawValue) {
            // The file that names the child goes with the others.
            let status = manager.status(of: session)
            let wasStale = status?.state == .stale
            manager.stopKeeper(for: session, grace: .seconds(grace)) { result in
                if !isDone(result, session, wasStale: wasStale, manager) { code = .failure }
                // A keeper that ends by itself ends its child; a dead or killed one cannot.
                if wasStale || result == .killed, let orphan = status?.childPID, Processes.isProcessAlive(orphan) {
                    Output.error("session \(session): process \(orphan), which was its child, may still run")
                }
                left -= 1
                if left == 0 { done(code) }
            }
        }
    }

    private func isDone(
        _ result: KeeperManager.StopResult, _ session: String, wasStale: Bool, _ manager: KeeperManager,
    ) -> Bool {
        // The files of a dead keeper were the session; gone, if they could be removed. With --all, also what has ended since.
        let status = manager.status(of: session)
        let isCleared = (wasStale || all) && status == nil
        let (name, isDone, text) =
            switch result {
            case .stopped where status?.state == .stale, .killed where status?.state == .stale:
                ("leftovers", false, "ended, but its files cannot be removed from \(manager.sessionsDirectory)")
            case .stopped: ("stopped", true, "ended")
            case .killed: ("killed", true, "killed: it did not end on SIGTERM within \(grace) s")
            case .notFound where isCleared: ("not-found", true, "removed what a dead keeper had left")
            case .notFound where wasStale: ("not-found", false, "cannot remove what a dead keeper has left")
            case .notFound: ("not-found", false, "no such session")
            case .survived: ("survived", false, "still there, even after SIGKILL")
            case .notPermitted: ("not-permitted", false, "not signalled: it is somebody else's, or no keeper for sure")
            }
        if shared.json {
            Output.json(["session": session, "result": name])
        } else if isDone {
            Output.line("session \(session): \(text)")
        } else {
            Output.error("session \(session): \(text)")
        }
        return isDone
    }
}
