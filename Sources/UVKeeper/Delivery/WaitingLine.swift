/// A line that waits for its keeper, or is under way to it.
struct WaitingLine {
    let bytes: [UInt8]
    var failedAttempts = 0
    let completion: (WriteOutcome) -> Void
}

extension [WaitingLine] {
    /// The bytes of all lines, in order.
    var bytes: [UInt8] {
        guard count > 1 else { return first?.bytes ?? [] }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(reduce(0) { $0 + $1.bytes.count })
        for line in self { bytes += line.bytes }
        return bytes
    }

    /// The number of lines at the front that one connection takes: at least one, and no more than `limit` bytes else.
    func batchCount(limit: Int) -> Int {
        var (size, count) = (0, 0)
        while count < self.count, count == 0 || size + self[count].bytes.count <= limit {
            size += self[count].bytes.count
            count += 1
        }
        return count
    }

    /// The index of the first line that is not whole among the `accepted` bytes.
    func untakenStart(accepted: UInt64) -> Int {
        var end: UInt64 = 0
        for (index, line) in enumerated() {
            end += UInt64(line.bytes.count)
            guard end <= accepted else { return index }
        }
        return count
    }

    /// The index of the first line of which no byte is among the `accepted` ones.
    func untouchedStart(accepted: UInt64) -> Int {
        var offset: UInt64 = 0
        for (index, line) in enumerated() {
            guard offset < accepted else { return index }
            offset += UInt64(line.bytes.count)
        }
        return count
    }
}
