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

    @Test(
        "Is cut after its first line, in whatever block that ends, and goes on after that",
        arguments: [3, 65_536, 150_000])
    func cutsAfterLine(length: Int) {
        var queue = LineQueue()
        let line = [UInt8](repeating: 0x78, count: length - 1) + [0x0A]
        let bytes = line + line + [0x79]
        var isAdded = bytes.withUnsafeBytes { queue.append($0) }
        queue.removeFirst(1)
        queue.cut(after: queue.lineLength ?? 0)
        let count = queue.count
        #expect(isAdded && count == length - 1)
        isAdded = line.withUnsafeBytes { queue.append($0) }
        var actual: [UInt8] = []
        while !queue.isEmpty {
            actual += queue.firstBytes
            queue.removeFirst(queue.firstBytes.count)
        }
        #expect(isAdded && actual == line.dropFirst() + line)
    }
}
