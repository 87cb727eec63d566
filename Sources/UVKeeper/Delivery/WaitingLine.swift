internal import KeeperProtocol
internal import UVLoop

/// A line that waits for its keeper, or for the child's pipe.
///
/// An object, so that it is moved from list to list by its reference alone.
final class WaitingLine {
    let id: UInt64
    let bytes: [UInt8]
    /// With its newline.
    let byteCount: Int
    let deadline: WriteDeadline
    let completion: (WriteOutcome) -> Void
    /// Its number; 0 as long as nothing of it has left.
    var sequence: UInt64 = 0
    /// On the monotonic clock; nil: no end, or its turn has not come.
    private(set) var expiresAt: Duration?
    var failedAttempts = 0
    /// True once its outcome was told, though the keeper may still take it: later numbers need it.
    private(set) var isTold = false
    /// True once its completion was called, or is about to be.
    private(set) var isCompleted = false

    init(
        id: UInt64, bytes: [UInt8], deadline: WriteDeadline, completion: @escaping (WriteOutcome) -> Void,
    ) {
        self.id = id
        self.bytes = bytes
        byteCount = bytes.count + (bytes.last == UInt8(ascii: "\n") ? 0 : 1)
        self.deadline = deadline
        self.completion = completion
        if case .within(let time) = deadline { expiresAt = SystemClock.deadline(in: time) }
    }

    /// Its turn has come: the time of its attempts begins.
    func startWaiting(_ now: Duration) {
        guard case .attempts = deadline, expiresAt == nil || sequence > 0 else { return }
        expiresAt = now + KeeperConstants.writeTime
    }

    func tell() { isTold = true }

    func beginCompletion() { isCompleted = true }

    /// How long it waits, if not until the session ends.
    var time: Duration { if case .within(let time) = deadline { time } else { KeeperConstants.writeTime } }

    func isLate(_ now: Duration) -> Bool { expiresAt.map { now >= $0 } ?? false }

    /// Adds the channel's message that carries it. A payload may go without its newline, and is then followed by one.
    func append(to message: inout [UInt8]) {
        WriteHeader(sequence: sequence, length: bytes.count).append(to: &message)
        append(rawTo: &message)
    }

    /// Adds the line itself, with its newline.
    func append(rawTo bytes: inout [UInt8]) {
        bytes += self.bytes
        if byteCount > self.bytes.count { bytes.append(UInt8(ascii: "\n")) }
    }
}
