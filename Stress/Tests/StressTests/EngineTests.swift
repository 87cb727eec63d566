import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

@Suite struct EngineTests {
    @Test("lines that nobody takes are missed at the drain deadline, and not awaited any longer") func undrained()
        throws
    {
        // Clients of a loop that does not run wait in its backlog.
        let frozen = try Loop()
        try withEngine(drainLimit: .milliseconds(200)) { engine, path in
            let listener = try PipeListener(bindingTo: path, on: frozen)
            try listener.listen { _, _ in }
            let begun = SystemClock.monotonicTime
            try engine.execute()
            #expect(SystemClock.monotonicTime - begun > .milliseconds(200))
            #expect(engine.early.counts == [.missingCompletion: 5])
            #expect(engine.early.told == ["missing-completion: 5 were awaited for 0.2 seconds"])
            #expect(outcomes(engine) == .init(repeating: .pending, count: 5), "they are left for the next server")
            listener.close()
        }
        frozen.run()
        try frozen.close()
    }

    @Test("lines that are acknowledged after the end of the load and before the deadline are not missed") func drained()
        throws
    {
        try withEngine(drainLimit: .seconds(120)) { engine, path in
            var taken: [() -> Void] = []
            let keeper = try StandInChannel(engine.sessions[0].name, at: path, .none, on: engine.loop) {
                taken.append($1)
                if taken.count == 5, engine.phase == .draining { for written in taken { written() } }
            }
            engine.onEnd = {
                keeper.close()
                if taken.count == 5 { for written in taken { written() } }
            }
            try engine.execute()
            #expect(engine.early.counts == [:])
            #expect(outcomes(engine) == .init(repeating: .written, count: 5))
        }
    }

    @Test(
        "a keeper that does not end when it is told to, or has ended, is noticed",
        arguments: [
            (Signal.stop, "at the end the keeper of session 0 was killed"),
            (.kill, "at the end the keeper of session 0 was notFound"),
        ])
    func stopResult(signal: Signal, finding: String) throws {
        let run = try StressRun(
            "writes", "--sessions", "1", "--writers", "1", "--connect", "pipelined", "--rate", "100", "--duration",
            "1000",
            "--drain-limit", "0.3"
        ) { going in
            try going.send(signal, toKeeperOf: 3)
            try going.end()
        }
        #expect(run.code == 1, "\(run.output)")
        #expect(run.output.contains("recovery: \(finding)\n"), "\(run.output)")
        let undrained = signal == .stop ? "were awaited for 0.3 seconds" : "recovery: session 0 did not come back"
        #expect(run.output.contains(undrained), "\(run.output)")
    }

    private func outcomes(_ engine: Engine) -> [Ledger.Outcome] {
        engine.sessions.flatMap(\.writers).flatMap { writer in
            (0..<writer.ledger.count).map { writer.ledger[$0].outcome }
        }
    }

    /// A server that sends five lines to a session, and the path of that one's channel.
    private func withEngine(drainLimit: Duration, _ body: (Engine, String) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            var settings = LoadSettings()
            (settings.sessions, settings.writers, settings.linesPerWriter) = (1, 1, 5)
            settings.sizes = LineSizes(64, 64)
            settings.duration = .milliseconds(50)
            settings.drainLimit = drainLimit
            let run = RunDirectory(directory: directory)
            let engine = try Engine(
                settings, run: run, clock: RunClock(start: SystemClock.monotonicTime),
                role: .guest(try Vitals(run.vitals)),
                // None of these starts one.
                sidecar: ["uvkeeper-sidecar"])
            try body(engine, engine.manager.paths.channel(for: engine.sessions[0].name))
        }
    }
}
