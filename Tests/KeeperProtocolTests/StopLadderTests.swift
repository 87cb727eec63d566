import KeeperProtocol
import Testing

@Suite struct StopLadderTests {
    static let ladders: [StopLadder] = [
        .keepers, .now, .gentle, StopLadder(endOfInput: .milliseconds(1)), StopLadder(terminate: .seconds(3600)),
        StopLadder(endOfInput: .seconds(3600), terminate: .zero),
    ]

    @Test("the value of a signal says what the ladder says", arguments: ladders)
    func signalValue(ladder: StopLadder) {
        #expect(StopLadder(signalValue: ladder.signalValue) == ladder)
    }

    @Test("every millisecond is said exactly")
    func exact() {
        for step in stride(from: 0, through: 3_600_000, by: 37) {
            let ladder = StopLadder(endOfInput: .milliseconds(step), terminate: .milliseconds(step))
            guard StopLadder(signalValue: ladder.signalValue) == ladder else { return #expect(step < 0, "\(step)") }
        }
    }

    @Test("values of other senders say nothing", arguments: [0, 1, .max, 0x5555 << 48, 42] as [UInt64])
    func foreignValue(value: UInt64) {
        #expect(StopLadder(signalValue: value) == nil)
    }

    @Test("steps are cut to what can be said, and to none")
    func clamped() {
        let ladder = StopLadder(endOfInput: .seconds(Int64.max), terminate: .seconds(-1))
        #expect(ladder.endOfInput == StopLadder.longestStep && ladder.terminate == .zero)
        #expect(StopLadder(signalValue: ladder.signalValue) == ladder)
    }

    @Test("what is not given comes from another, and at last from the gentle one")
    func completed() {
        let half = StopLadder(endOfInput: .seconds(7))
        #expect(half.completed(by: .now) == StopLadder(endOfInput: .seconds(7), terminate: .zero))
        #expect(half.total == .seconds(10))
        #expect(StopLadder.now.total == .zero && StopLadder.keepers.total == StopLadder.gentle.total)
    }
}
