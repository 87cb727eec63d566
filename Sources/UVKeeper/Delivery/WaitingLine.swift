internal import KeeperProtocol
internal import UVLoop

/// A line that waits for its keeper, or for the child's pipe.
struct WaitingLine {
    let id: UInt64
    let bytes: [UInt8]
    /// With its newline.
    let byteCount: Int
    let completion: (WriteOutcome) -> Void
    let deadline: WriteDeadline
    /// On the monotonic clock; nil: no end, or its turn has not come.
    private(set) var expiresAt: Duration?
    /// True once its outcome was told, or is about to be, though the keeper may still take it: later numbers need it.
    private(set) var isTold = false
    /// Its number; 0 as long as nothing of it has left.
    private(set) var sequence: UInt64 = 0
    var failedAttempts = 0

    /// With its newline.
    static func byteCount(of bytes: [UInt8]) -> Int {
        bytes.count + (bytes.last == UInt8(ascii: "\n") ? 0 : 1)
    }

    /// Its turn has come: the time of its attempts begins, unless it has.
    mutating func startWaiting() {
        guard case .attempts = deadline, expiresAt == nil else { return }
        expiresAt = SystemClock.monotonicTime + KeeperConstants.writeTime
    }

    /// It leaves under a number, in a message that is written behind `position`. If it has attempts, their time is over at `end`.
    ///
    /// - Returns: whether it has attempts.
    mutating func leave(
        as number: UInt64, in message: UnsafeMutableRawBufferPointer, at position: inout Int, until end: Duration,
    ) -> Bool {
        sequence = number
        WaitingLine.put(number, bytes, byteCount, in: message, at: &position)
        guard case .attempts = deadline else { return false }
        expiresAt = end
        return true
    }

    mutating func tell() { isTold = true }

    /// How long it waits, if not until the session ends.
    var time: Duration { if case .within(let time) = deadline { time } else { KeeperConstants.writeTime } }

    func isLate(_ now: Duration) -> Bool { expiresAt.map { now >= $0 } ?? false }

    /// As many bytes as the channel's message with a line of so many can have. Not of a line, which would be copied for it.
    static func longestMessage(_ byteCount: Int) -> Int { WriteHeader.longest + byteCount }

    /// Writes the channel's message that carries it to a place with room for it, which is moved behind it.
    func put(in message: UnsafeMutableRawBufferPointer, at position: inout Int) {
        WaitingLine.put(sequence, bytes, byteCount, in: message, at: &position)
    }

    /// The same without a copy of the line. A payload may go without its newline, and is then followed by one.
    private static func put(
        _ sequence: UInt64, _ bytes: [UInt8], _ byteCount: Int, in message: UnsafeMutableRawBufferPointer,
        at position: inout Int,
    ) {
        position = WriteHeader(sequence: sequence, length: bytes.count).put(in: message, at: position)
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: message[position...]).copyMemory(from: $0)
        }
        if byteCount > bytes.count { message[position + bytes.count] = UInt8(ascii: "\n") }
        position += byteCount
    }

    /// Adds the line itself, with its newline.
    func append(rawTo bytes: inout [UInt8]) {
        bytes += self.bytes
        if byteCount > self.bytes.count { bytes.append(UInt8(ascii: "\n")) }
    }
}
