import Testing

@testable import uvkeeper_stress

@Suite struct GrowthTests {
    @Test("what stays the same, or goes up and down, does not grow") func flat() {
        #expect(found(descriptors: { _ in 40 }, handles: { _ in 60 }) == [:])
        #expect(found(descriptors: { 40 + 30 * ($0 % 2) }, handles: { 60 + 30 * ($0 % 3) }) == [:])
    }

    @Test("what warms up does not grow") func warm() {
        #expect(found(descriptors: { min($0, 5) * 20 }, handles: { min($0, 5) * 20 }) == [:])
    }

    @Test("descriptors that keep growing are left, handles too") func growing() {
        #expect(found(descriptors: { 40 + $0 * 2 }, handles: { _ in 60 }) == [.descriptorLeft: 1])
        #expect(found(descriptors: { _ in 40 }, handles: { 60 + $0 * 2 }) == [.handleLeft: 1])
    }

    @Test("a handful more is no growth") func bound() {
        // Between the most of the second quarter and the least of the last one.
        for (step, counts) in [(8, [:]), (9, [Violations.Kind.handleLeft: 1])] {
            #expect(found(descriptors: { _ in 40 }, handles: { $0 < 20 ? 60 : 60 + step }) == counts)
        }
    }

    @Test("too few samples say nothing, and that is said") func few() {
        var notes: [String] = []
        let count = Growth.sampleCount - 1
        #expect(found(count: count, descriptors: { $0 * 100 }, handles: { _ in 0 }, notes: &notes) == [:])
        #expect(notes == ["15 samples are too few to tell whether anything grows"])
    }

    @Test("a keeper that opens more and more, or takes more and more memory, is noticed", arguments: [false, true])
    func keepers(isMemory: Bool) {
        let samples = (0..<40).map { index in
            let isMeasured = index % 8 == 4
            let grown = isMeasured ? index : 0
            return Sample(
                time: Double(index) / 4, lines: 100, bytes: 10_000, lag: 1, descriptors: 20, handles: 20,
                memory: 1 << 24,
                // Its share of its program's pages grows when other keepers end, which is no fault of its own.
                keepers: isMeasured ? [1 << 20, 1 << 20 + UInt64(grown) << 18] : [],
                keeperDescriptors: isMeasured ? 10 + (isMemory ? 0 : grown) : nil,
                keeperMemory: isMeasured ? 1 << 20 + (isMemory ? UInt64(grown) << 18 : 0) : nil)
        }
        var violations = Violations()
        var notes: [String] = []
        Growth.check(samples, into: &violations, notes: &notes)
        #expect(violations.counts == (isMemory ? [.memoryGrown: 1] : [.descriptorLeft: 1]))
    }

    @Test("a server's memory may grow by sixteen mebibytes, for lines that wait") func serverMemory() {
        for (step, counts) in [(0, [:]), (1, [Violations.Kind.memoryGrown: 1])] as [(UInt64, [Violations.Kind: Int])] {
            let memory = { (index: Int) in UInt64(1 << 24) + (index < 20 ? 0 : 1 << 24 + step) }
            #expect(found(descriptors: { _ in 40 }, handles: { _ in 60 }, memory: memory) == counts)
        }
    }

    private func found(
        descriptors: (Int) -> Int, handles: (Int) -> Int, memory: (Int) -> UInt64 = { _ in 1 << 24 },
    ) -> [Violations.Kind: Int] {
        var notes: [String] = []
        return found(count: 40, descriptors: descriptors, handles: handles, memory: memory, notes: &notes)
    }

    private func found(
        count: Int, descriptors: (Int) -> Int, handles: (Int) -> Int, memory: (Int) -> UInt64 = { _ in 1 << 24 },
        notes: inout [String],
    ) -> [Violations.Kind: Int] {
        let samples = (0..<count).map { index in
            Sample(
                time: Double(index) / 4, lines: 100, bytes: 10_000, lag: 1, descriptors: descriptors(index),
                handles: handles(index), memory: memory(index), keepers: [])
        }
        var violations = Violations()
        Growth.check(samples, into: &violations, notes: &notes)
        return violations.counts
    }
}
