import ArgumentParser
import KeeperProtocol
import UVKeeper

struct WaitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait for the end of sessions, and exit as their child did.",
        discussion: """
            A session that has ended answers at once, from its record.

              uvkeeper wait build && echo done
              uvkeeper wait a b c              all of them
              uvkeeper wait a b c --any        the first that ends
              uvkeeper wait build --timeout 60

            Exits with the child's code, or with 128 plus the number of the signal that ended it; 2 if the end is not \
            known (the keeper was killed, or is an original one); 127 if there is no such session; 124 if the time is \
            over. For several sessions, the status is the first one, in the order given, that is not 0; with --any, \
            that of the session that ended first.

            With --json, one object for each end: {"session","status","exit"}; without "exit" if nobody knows.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The sessions.", completion: .session, transform: SessionID.init)
    var sessions: [SessionID] = []

    @Flag(help: "Wait only for the first that ends.")
    var any = false

    @Option(help: ArgumentHelp("Give up after this time. Default: never.", valueName: "seconds"))
    var timeout: Double?

    private struct End: Encodable {
        var session: String
        var status: Int32
        var exit: SessionExit?
    }

    func validate() throws {
        guard !sessions.isEmpty else { throw ValidationError("There is no session to wait for; name one or more") }
        try NumberBounds.check(timeout, of: "--timeout", allowsZero: true, below: 1_000_000_000)
    }

    func run() throws {
        try shared.withManager { manager, loop, done in
            var codes: [SessionID: ExitCode] = [:]
            var isDone = false
            let end = { (code: ExitCode) in
                guard !isDone else { return }
                isDone = true
                done(code)
            }
            let told = { (session: SessionID, code: ExitCode) in
                codes[session] = code
                if any { return end(code) }
                guard sessions.allSatisfy({ codes[$0] != nil }) else { return }
                end(sessions.lazy.compactMap { codes[$0] }.first { $0 != .success } ?? .success)
            }
            let isThere = { (id: SessionID) in manager.session(id).record != nil || manager.status(of: id) != nil }
            let missing = named.filter { !isThere($0) }
            for id in missing {
                shared.report("\(KeeperError.connection(manager.paths.socket(for: id), .noEntry))")
                loop.onNextTick { told(id, .noSuchSession) }
            }
            // With --any, one that is missing ends the wait.
            guard !any || missing.isEmpty else { return }
            for id in named where !missing.contains(id) {
                manager.session(id).onEnd = { exit in
                    guard !isDone else { return }
                    let (first, exit) = any ? firstEnd(manager, besides: id, exit) : (id, exit)
                    report(first, exit)
                    told(first, SessionEnd.code(exit))
                }
            }
            guard let timeout else { return }
            let timer = TimerHandle(on: loop)
            timer.start(after: .seconds(timeout)) { _ in
                guard !isDone else { return }
                let left = named.filter { codes[$0] == nil }.map { "session \($0)" }.joined(separator: ", ")
                shared.report("not ended within \(timeout) seconds: \(left)")
                end(.timedOut)
            }
            // Sessions that have ended already are known on the first ticks; the timer does not keep the loop running
            // for the others.
            timer.unref()
        }
    }

    /// The sessions in the order given, each once.
    private var named: [SessionID] {
        var seen: Set<SessionID> = []
        return sessions.filter { seen.insert($0).inserted }
    }

    /// The session that ended first by the records, and its end: the ends of several sessions may be told in any order.
    ///
    /// - Parameters:
    ///   - told: a session whose end was told.
    ///   - exit: its end; nil if nobody knows, nor when it was: any other session that has ended is then the first.
    private func firstEnd(
        _ manager: KeeperManager, besides told: SessionID, _ exit: SessionExit?,
    ) -> (SessionID, SessionExit?) {
        let ends = named.compactMap { id in (id == told ? exit : manager.session(id).record?.exit).map { (id, $0) } }
        return ends.min { $0.1.at < $1.1.at } ?? (told, exit)
    }

    private func report(_ session: SessionID, _ exit: SessionExit?) {
        if shared.json {
            Output.json(
                End(session: session.rawValue, status: SessionEnd.code(exit).rawValue, exit: exit), hasRawBytes: false)
        } else {
            Output.line("session \(session): ended; \(SessionEnd.text(exit))")
        }
        Output.flush()
    }
}
