import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

@Suite struct EngineTests {
    @Test("lines that nobody confirms are missed at the drain deadline, and not awaited any longer") func undrained()
        throws
    {
        // Clients of a loop that does not run wait in its backlog.
        let frozen = try Loop()
        try withEngine(drainLimit: .milliseconds(200), listeningOn: frozen) { engine, listener in
            let begun = SystemClock.monotonicTime
            try engine.execute()
            #expect(SystemClock.monotonicTime - begun > .milliseconds(200))
            #expect(engine.early.counts == [.missingCompletion: 5])
            #expect(engine.early.told == ["missing-completion: 5 were awaited for 0.2 seconds"])
            #expect(outcomes(engine) == .init(repeating: .unknown, count: 5), "their channel was closed")
            listener.close()
        }
        frozen.run()
        try frozen.close()
    }

    @Test("lines that are confirmed after the end of the load and before the deadline are not missed") func drained()
        throws
    {
        try withEngine(drainLimit: .seconds(120)) { engine, listener in
            listener.pause()
            engine.onEnd = { expectNoError { try listener.resume() } }
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
            try going.send(signal, toKeeperOf: 2)
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

    /// One that sends five lines on one connection, to a listener that confirms them if its loop runs.
    private func withEngine(
        drainLimit: Duration, listeningOn loop: Loop? = nil, _ body: (Engine, PipeListener) throws -> Void,
    ) throws {
        try withTemporaryDirectory { directory in
            var settings = LoadSettings()
            (settings.sessions, settings.writers, settings.linesPerWriter) = (1, 1, 5)
            settings.connecting = .pipelined
            settings.sizes = LineSizes(64, 64)
            settings.duration = .milliseconds(50)
            settings.drainLimit = drainLimit
            let run = RunDirectory(directory: directory)
            let engine = try Engine(
                settings, run: run, clock: RunClock(start: SystemClock.monotonicTime),
                role: .guest(try Vitals(run.vitals)),
                // None of these starts one.
                sidecar: ["uvkeeper-sidecar"])
            let listener = try PipeListener(
                bindingTo: engine.manager.paths.socket(for: engine.sessions[0].name), on: loop ?? engine.loop)
            // Without one nothing is confirmed at a session's socket.
            try OpenFile(engine.manager.paths.keeperPID(for: engine.sessions[0].name), .createNew).close()
            try listener.listen { listener, accepted in
                guard let stream = expectNoError({ try accepted.get() }) else { return }
                expectNoError {
                    try stream.readStart(
                        onBytes: { _, _ in },
                        onEnd: { stream, _ in
                            stream.close()
                            listener.close()
                        })
                }
            }
            try body(engine, listener)
        }
    }
}
