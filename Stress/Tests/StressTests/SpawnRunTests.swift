import TestSupport
import Testing
import UVKeeper

@Suite struct SpawnRunTests {
    @Test("a wave whose keeper cannot end is given up, and the keeper is noticed and killed") func frozen() throws {
        let run = try StressRun("spawn", "--keepers", "8", "--duration", "1000", "--drain-limit", "10") { going in
            // A wave may be over before anybody is frozen, but not every one of many.
            try TestSupport.run(going.loop) {
                _ = try going.send(.stop, toKeepersOf: 1)
                return going.hasEnded()
            }
        }
        #expect(run.code == 1, "\(run.output)")
        // One that is frozen early has not passed all its lines on.
        let limit = /recovery: a wave, not within 10\.0 seconds: (lines arrive|processes end)\n/
        #expect(run.output.contains(limit), "\(run.output)")
        let finding = /recovery: after the last wave the keeper of s\d was killed\n/
        #expect(run.output.contains(finding), "\(run.output)")
    }
}
