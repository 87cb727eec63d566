import Testing

@testable import UVLoop

@Suite("A deadline") struct DeadlineTests {
    @Test("is as far ahead as was asked for, and for ever means as far as it goes")
    func deadlines() {
        let before = LibUV.monotonicTime
        let soon = LibUV.deadline(in: .seconds(5))
        #expect(soon >= before + .seconds(5) && soon <= LibUV.monotonicTime + .seconds(5))
        // The longest that there is.
        let longest = Duration(attoseconds: .max)
        for delay in [longest, .seconds(Int64.max)] {
            #expect(LibUV.deadline(in: delay) > before + .seconds(1 << 39))
        }
        for delay in [Duration.seconds(-1), .seconds(Int64.min), Duration(attoseconds: .min)] {
            #expect(LibUV.deadline(in: delay) >= before)
            #expect(LibUV.deadline(in: delay) <= LibUV.monotonicTime)
        }
    }
}
