import ArgumentParser
import KeeperProtocol
import UVKeeper

struct KillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill",
        abstract: "End sessions: keeper, child, and what the child has started.",
        discussion: """
            A session ends in three steps: the child's input ends, then SIGTERM is sent, then SIGKILL. A step is \
            taken only if a process of the session is left. The keeper's settings PI_KEEPER_STOP_EOF_MS and \
            PI_KEEPER_STOP_TERM_MS say how long each step may take; --grace sets both. --now kills at once, and the \
            child can save nothing. The session's leftover files are removed, its logs are not.

              uvkeeper kill work              as its keeper was told
              uvkeeper kill work --grace 10   with time to save something
              uvkeeper kill --all --now

            With --json, one object a session, with how it ended as "exit". From inside a session, that session is ended last, after the others are done and reported; this command ends \
            with it.

            Exits with 1 if a session has neither keeper nor files, does not end, or leaves files behind.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The sessions.", completion: .session, transform: SessionID.init)
    var sessions: [SessionID] = []

    @Flag(help: "Every session in the directory.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "The time for the child to end after the end of its input, and the same again after SIGTERM, before it is killed. "
                + "Default: what its keeper was started with.",
            valueName: "seconds"))
    var grace: Double?

    @Flag(help: "Send SIGKILL to all processes of the session at once.")
    var now = false

    func validate() throws {
        guard all != !sessions.isEmpty else {
            throw ValidationError("Name the sessions to end, or give --all, one of the two")
        }
        guard !now || grace == nil else {
            throw ValidationError("--now leaves no time, and --grace does; give one of the two")
        }
        try NumberBounds.check(grace, of: "--grace", allowsZero: true)
    }

    private var ladder: StopLadder {
        guard !now else { return .now }
        return grace.map { StopLadder(endOfInput: .seconds($0), terminate: .seconds($0)) } ?? .keepers
    }

    func run() throws {
        try shared.withManager(unreported: .unknownOutcome) { manager, loop, done in
            guard all else { return kill(sessions, manager, done) }
            manager.listKeepers { result in
                switch result {
                case .failure(let error): shared.fail(error, done)
                case .success(let keepers):
                    ForeignSessions.report(in: manager.paths)
                    keepers.isEmpty ? done(.success) : kill(keepers.map(\.session), manager, done)
                }
            }
        }
    }

    /// Ends the sessions; the session that this command runs in comes last.
    private func kill(_ sessions: [SessionID], _ manager: KeeperManager, _ done: @escaping (ExitCode) -> Void) {
        let ancestors = KillCommand.ancestors()
        let (others, own) = sessions.reduce(into: ([SessionID](), [SessionID]())) { result, session in
            let keeper = manager.status(of: session)?.keeperPID
            if let keeper, ancestors.contains(keeper) { result.1.append(session) } else { result.0.append(session) }
        }
        end(others, manager) { code in
            guard !own.isEmpty else { return done(code) }
            for session in own { announce(session) }
            Output.flush()
            end(own, manager) { done($0 == .success ? code : $0) }
        }
    }

    private func end(_ sessions: [SessionID], _ manager: KeeperManager, _ done: @escaping (ExitCode) -> Void) {
        var left = sessions.count
        guard left > 0 else { return done(.success) }
        var code = ExitCode.success
        for session in sessions {
            // The status is read now, as the file that names the child goes with the others.
            let status = manager.status(of: session)
            let wasStale = status?.state == .stale
            manager.session(session).stop(ladder) { result, exit in
                if !isDone(result, exit, session, wasStale: wasStale, manager) { code = .failure }
                left -= 1
                if left == 0 { done(code) }
            }
        }
    }

    /// Announces the end before the signal, since no output may be possible after it.
    private func announce(_ session: SessionID) {
        if shared.json {
            Output.json(["session": session.rawValue, "result": "own"])
        } else {
            Output.line(
                "session \(session): it is the one this command runs in; ending it now, and this command with it")
        }
    }

    /// The ancestors of this process.
    private static func ancestors() -> Set<Int32> {
        var ancestors: Set<Int32> = []
        var pid = CurrentProcess.id
        while let parent = ProcessDetails(of: pid)?.parent, parent > 0, ancestors.insert(parent).inserted {
            pid = parent
        }
        return ancestors
    }

    private func isDone(
        _ result: KeeperManager.StopResult, _ exit: SessionExit?, _ session: SessionID, wasStale: Bool,
        _ manager: KeeperManager,
    ) -> Bool {
        let how = exit.map { "; " + SessionEnd.text($0) } ?? ""
        // A dead keeper's session was just its files, which are gone if they could be removed. With --all, a session
        // that has ended meanwhile counts too.
        let status = manager.status(of: session)
        let isCleared = (wasStale || all) && status == nil
        let (name, isDone, text) =
            switch result {
            case .stopped where status?.state == .stale, .killed where status?.state == .stale:
                ("leftovers", false, "ended, but its files cannot be removed from \(manager.sessionsDirectory)")
            case .stopped: ("stopped", true, "ended" + how)
            case .killed: ("killed", true, now ? "killed" : "killed: it did not end in time" + how)
            case .notFound where isCleared: ("not-found", true, "removed what a dead keeper had left")
            case .notFound where wasStale: ("not-found", false, "cannot remove what a dead keeper has left")
            case .notFound: ("not-found", false, "no such session")
            case .survived(let processes):
                (
                    "survived", false,
                    "still there, even after SIGKILL: " + processes.map(\.description).joined(separator: ", ")
                )
            case .stillServed: ("still-served", false, "its keeper has ended, and something else serves its socket")
            case .failed(let error): ("failed", false, "\(error)")
            case .notPermitted:
                ("not-permitted", false, "not signalled: \(KillCommand.notPermitted(status))")
            case .closed: ("closed", false, "given up before it had ended")
            }
        if shared.json {
            Output.json(KillRecord(session: session.rawValue, result: name, reason: isDone ? nil : text, result, exit))
        } else if isDone {
            Output.line("session \(session): \(text)")
        } else {
            Output.error("session \(session): \(text)")
        }
        return isDone
    }

    /// The owner of the process that must not be signalled, in words.
    private static func notPermitted(_ status: KeeperStatus?) -> String {
        guard let status, status.state == .stale, let child = status.childPID else {
            return "it is somebody else's, or no keeper for sure"
        }
        let name = ProcessDetails.name(of: child).map { " (\($0))" } ?? ""
        return "its keeper is dead, and the child that it has left, \(child)\(name), is somebody else's"
    }
}

/// The outcome of ending a session, as JSON.
private struct KillRecord: Encodable {
    var session: String
    var result: String
    /// The reason why the session was not ended.
    var reason: String?
    /// The processes that live on.
    var survivors: [Int32]?
    /// The end of the session, if its record tells.
    var exit: SessionExit?

    init(
        session: String, result: String, reason: String?, _ stopped: KeeperManager.StopResult, _ exit: SessionExit?,
    ) {
        self.session = session
        self.result = result
        self.reason = reason
        switch stopped {
        case .survived(let processes): survivors = processes.map(\.pid)
        case .stopped, .killed: self.exit = exit
        case .notFound, .stillServed, .notPermitted, .failed, .closed: break
        }
    }
}
