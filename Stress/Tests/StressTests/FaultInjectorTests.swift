import Testing

@testable import uvkeeper_stress

@Suite struct FaultInjectorTests {
    @Test("the same seed makes the same plan, another one another") func seeded() {
        #expect(plan(7) == plan(7))
        #expect(plan(7) != plan(8))
    }

    @Test("every kind comes once before any comes again") func fair() {
        let kinds = FaultInjector.kinds
        let plan = plan(3)
        #expect(plan.count > 2 * kinds.count)
        for start in stride(from: 0, to: plan.count - kinds.count, by: kinds.count) {
            #expect(Set(plan[start..<start + kinds.count].map(\.kind)).count == kinds.count)
        }
    }

    @Test("faults come in order, within the run, to sessions that exist") func bounds() {
        let plan = plan(5)
        #expect(zip(plan, plan.dropFirst()).allSatisfy { $0.time < $1.time })
        #expect(plan.allSatisfy { $0.time >= .milliseconds(300) && $0.time < .seconds(30) })
        #expect(plan.allSatisfy { (0..<3).contains($0.session) && $0.duration < .seconds(2) })
    }

    @Test("what the machine does is not planned") func kinds() {
        #expect(FaultInjector.kinds.count == FaultRecord.Kind.allCases.count - 1)
        #expect(!FaultInjector.kinds.contains(.machineStalled))
    }

    private func plan(_ seed: UInt64) -> [FaultInjector.Planned] {
        FaultInjector.plan(
            seed: seed, kinds: FaultInjector.kinds, sessions: 3, duration: .seconds(30), interval: .milliseconds(250))
    }
}
