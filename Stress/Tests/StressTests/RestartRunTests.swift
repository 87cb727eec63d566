import TestSupport
import Testing
import UVKeeper

@Suite struct RestartRunTests {
    @Test(
        "a keeper that does not end at the end, or has ended before, is noticed",
        arguments: [
            (Signal.stop, "killed"), (.kill, "notFound"),
        ])
    func stopResult(signal: Signal, result: String) throws {
        let run = try StressRun(
            "restart", "--sessions", "1", "--writers", "1", "--rate", "100", "--duration", "1000", "--kill-interval",
            "1000"
        ) { going in
            try going.send(signal, toKeeperOf: 3)
            try going.end()
        }
        #expect(run.code == 1, "\(run.output)")
        #expect(
            run.output.contains("recovery: at the end the keeper of session 0 was \(result)\n"), "\(run.output)")
    }
}
