/// A cutter of output into lines with offsets. Unlike ``UVLoop/LineFramer``, which lends bytes of a connection and ends
/// at a line that is too long, the cutter goes on over gaps and long lines; each piece has its offset.
package struct LineCutter {
    private let longest: Int
    private var lines: [KeptLine] = []
    private var first = 0
    /// The bytes of an unfinished line.
    private var pending: [UInt8] = []
    private var pendingOffset: UInt64 = 0
    private var followsGap = false
    package private(set) var hasEnded = false

    package init(longest: Int) { self.longest = longest }

    package mutating func take() -> KeptLine? {
        guard first < lines.count else {
            lines.removeAll(keepingCapacity: lines.capacity <= 1024)
            first = 0
            return nil
        }
        defer { first += 1 }
        return lines[first]
    }

    package mutating func append(_ bytes: [UInt8], at offset: UInt64) {
        var start = 0
        while start < bytes.count {
            if pending.isEmpty { pendingOffset = offset + UInt64(start) }
            let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n"))
            let end = min(newline ?? bytes.count, start + longest - pending.count)
            pending += bytes[start..<end]
            if end == newline {
                emit(newlineLength: 1)
                start = end + 1
            } else {
                if pending.count >= longest { emit(newlineLength: 0) }
                start = end
            }
        }
    }

    /// Ends the unfinished line, whose rest is gone, and notes the gap for the next line.
    package mutating func noteGap() {
        if !pending.isEmpty { emit(newlineLength: 0) }
        followsGap = true
    }

    package mutating func end() {
        if !pending.isEmpty { emit(newlineLength: 0) }
        hasEnded = true
    }

    private mutating func emit(newlineLength: UInt64) {
        let end = pendingOffset + UInt64(pending.count) + newlineLength
        lines.append(KeptLine(offset: pendingOffset, bytes: pending, end: end, followsGap: followsGap))
        followsGap = false
        pending = []
    }
}
