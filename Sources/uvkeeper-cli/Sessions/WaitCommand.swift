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
        guard (timeout ?? 0) >= 0, (timeout ?? 0) < 1e9 else {
            throw ValidationError("--timeout takes seconds, 0 or more")
        }
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
            for id in Set(sessions) {
                let session = manager.session(id)
                guard session.record != nil || manager.status(of: id) != nil else {
                    shared.report("\(KeeperError.connection(manager.paths.socket(for: id), .noEntry))")
                    loop.onNextTick { told(id, .noSuchSession) }
                    continue
                }
                session.onEnd = { exit in
                    guard !isDone else { return }
                    report(id, exit)
                    told(id, SessionEnd.code(exit))
                }
            }
            guard let timeout else { return }
            let timer = TimerHandle(on: loop)
            timer.start(after: .seconds(timeout)) { _ in
                guard !isDone else { return }
                shared.report("not ended within \(timeout) seconds: \(missing(codes))")
                end(.timedOut)
            }
            // Sessions that have ended already are known on the first ticks; the timer does not keep the loop running
            // for the others.
            timer.unref()
        }
    }

    private func missing(_ codes: [SessionID: ExitCode]) -> String {
        sessions.filter { codes[$0] == nil }.map { "session \($0)" }.joined(separator: ", ")
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
