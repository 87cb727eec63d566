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
                bytes.withUnsafeBytes { outbox.append($0) }
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
}
