import Testing

@testable import UVLoop

@Suite("An outbox") struct OutboxTests {
    @Test("keeps what was appended, in order, and can be used again") func appends() {
        var outbox = Outbox()
        let isEmpty = outbox.isEmpty
        #expect(isEmpty)
        for round in 0..<2 {
            var expected: [UInt8] = []
            for size in [0, 1, 4095, 4096, 100_000, 3] {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: size + round), count: size)
                let isAppended = bytes.withUnsafeBytes { outbox.append($0) }
                #expect(isAppended)
                expected += bytes
            }
            let count = outbox.count
            #expect(count == expected.count)
            let isEqual = outbox.bytes.elementsEqual(expected)
            #expect(isEqual)
            outbox.removeAll()
            let isEmpty = outbox.isEmpty
            #expect(isEmpty)
        }
    }

    @Test("without memory for more keeps what it has, and takes what still fits") func outOfMemory() {
        var outbox = Outbox()
        outbox.memoryLimit = 10_000
        let half = [UInt8](repeating: 1, count: 6000)
        let isFirstTaken = half.withUnsafeBytes { outbox.append($0) }
        // Doubling would exceed the limit; just enough does not.
        let isRestTaken = half[..<4000].withUnsafeBytes { outbox.append($0) }
        let isMoreTaken = half.withUnsafeBytes { outbox.append($0) }
        #expect(isFirstTaken && isRestTaken && !isMoreTaken)
        let isEqual = outbox.bytes.elementsEqual(half + half[..<4000])
        #expect(isEqual)
    }
}
