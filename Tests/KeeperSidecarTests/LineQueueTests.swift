import Testing

@testable import KeeperSidecar

@Suite("LineQueue") struct LineQueueTests {
    @Test("Gives back what it was given, in order, whatever the sizes")
    func keepsBytes() {
        var generator = SystemRandomNumberGenerator()
        var queue = LineQueue()
        var expected: [UInt8] = []
        var actual: [UInt8] = []
        for round in 0..<400 {
            let length = [1, 7, 65535, 65536, 65537, 200_000].randomElement(using: &generator)!
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &+ round) }
            expected += bytes
            let isAdded = bytes.withUnsafeBytes { queue.append($0) }
            #expect(isAdded)
            while !queue.isEmpty, Bool.random(using: &generator) {
                let part = queue.firstBytes.prefix(Int.random(in: 1...queue.firstBytes.count, using: &generator))
                actual += part
                queue.removeFirst(part.count)
            }
            let count = queue.count
            #expect(count == expected.count - actual.count)
        }
        while !queue.isEmpty {
            actual += queue.firstBytes
            queue.removeFirst(queue.firstBytes.count)
        }
        #expect(actual == expected)
        let more = [UInt8](repeating: 1, count: 100_000)
        let isAdded = more.withUnsafeBytes { queue.append($0) }
        queue.removeAll()
        let isEmpty = queue.isEmpty
        #expect(isAdded && isEmpty)
    }
}
