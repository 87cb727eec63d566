internal import KeeperProtocol
internal import UVLoop

/// A line that waits for its keeper, or for the child's pipe.
struct WaitingLine {
    let id: UInt64
    let bytes: [UInt8]
    /// The line's bytes, its newline included.
    let byteCount: Int
    let completion: (WriteOutcome) -> Void
    let deadline: WriteDeadline
    /// The time at which the line expires, on the monotonic clock; nil if it never does, or its turn has not come.
    private(set) var expiresAt: Duration?
    /// True once the line's outcome was told, or is about to be, although the keeper may still take the line: later
    /// numbers need it.
    private(set) var isTold = false
    /// The line's sequence number; 0 as long as no byte of it was sent.
    private(set) var sequence: UInt64 = 0
    var failedAttempts = 0

    /// The bytes of a line, its newline included.
    static func byteCount(of bytes: [UInt8]) -> Int {
        bytes.count + (bytes.last == UInt8(ascii: "\n") ? 0 : 1)
    }

    /// Starts the time of the line's attempts, now that its turn has come.
    ///
    /// - Returns: false if the time has started before, or the line has another deadline.
    mutating func startWaiting() -> Bool {
        guard case .attempts = deadline, expiresAt == nil else { return false }
        expiresAt = SystemClock.monotonicTime + KeeperConstants.writeTime
        return true
    }

    /// Sends the line under a number, in a message written at `position`. If the line has attempts, their time ends at
    /// `end`.
    ///
    /// - Returns: true if the line has attempts.
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

    /// The time that the line waits, unless it waits until the session ends.
    var time: Duration { if case .within(let time) = deadline { time } else { KeeperConstants.writeTime } }

    func isLate(_ now: Duration) -> Bool { expiresAt.map { now >= $0 } ?? false }

    /// The most bytes of a channel message with a line of so many bytes. The parameter is a count and not a line, which
    /// would be copied.
    static func longestMessage(_ byteCount: Int) -> Int { WriteHeader.longest + byteCount }

    /// Writes the line's channel message at a position with room for it, and moves the position behind it.
    func put(in message: UnsafeMutableRawBufferPointer, at position: inout Int) {
        WaitingLine.put(sequence, bytes, byteCount, in: message, at: &position)
    }

    /// The same without a copy of the line. A payload without its newline is followed by one.
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
