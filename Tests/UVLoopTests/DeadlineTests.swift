import Testing

@testable import UVLoop

@Suite("A deadline") struct DeadlineTests {
    @Test("is as far ahead as was asked for, and for ever means as far as it goes")
    func deadlines() {
        let before = SystemClock.monotonicTime
        let soon = SystemClock.deadline(in: .seconds(5))
        #expect(soon >= before + .seconds(5) && soon <= SystemClock.monotonicTime + .seconds(5))
        // The longest duration possible.
        let longest = Duration(attoseconds: .max)
        for delay in [longest, .seconds(Int64.max)] {
            #expect(SystemClock.deadline(in: delay) > before + .seconds(1 << 39))
        }
        for delay in [Duration.seconds(-1), .seconds(Int64.min), Duration(attoseconds: .min)] {
            #expect(SystemClock.deadline(in: delay) >= before)
            #expect(SystemClock.deadline(in: delay) <= SystemClock.monotonicTime)
        }
    }
}
