/// The content of a line: printable bytes from a fixed table, a different stretch of it for each line.
enum Payload {
    private static let tableByteCount = 65536
    private static let table: [UInt8] = {
        var generator = SeededGenerator(seed: 0x5EED)
        return (0..<tableByteCount).map { _ in UInt8(truncatingIfNeeded: 32 + generator.next() % 95) }
    }()

    static func fill(_ base: UnsafeMutableRawPointer, count: Int, from start: Int) {
        table.withUnsafeBytes { table in
            var offset = 0
            var position = start & (tableByteCount - 1)
            while offset < count {
                let step = min(count - offset, tableByteCount - position)
                (base + offset).copyMemory(from: table.baseAddress! + position, byteCount: step)
                offset += step
                position = 0
            }
        }
    }
}
