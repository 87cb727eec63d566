internal import KeeperProtocol
internal import UVLoop

/// The keeper's log: one line per event, and, if captured, the child's output between them.
///
/// The child writes to a copy of the same descriptor, so a log that has grown too large is cut to nothing in place, same
/// inode, and both writers append from its new end. Cutting is silent. A log that cannot be written to (a full disk) never
/// stops a session.
final class KeeperLog {
    private let file: OpenFile
    private let maximumBytes: Int
    /// Whether the log may be cut: a keeper that finds its session taken must not cut the log of the one that has it.
    private var isOwner = false
    /// When the log could not be cut was last told, on the monotonic clock.
    private var lastComplaint: Duration?
    private static let complaintInterval = Duration.seconds(60)
    /// A longer message is cut: a command may have a mebibyte of arguments.
    private static let longestMessage = 16384

    init(path: String, maximumBytes: Int) throws(UVError) {
        file = try LogFile.open(path)
        self.maximumBytes = maximumBytes
    }

    /// What the child's stdout and stderr become when they are captured.
    var descriptor: Int32 { file.descriptor }

    /// From here on the session is this keeper's, and with it the log.
    func takeOver() {
        isOwner = true
        rotate()
    }

    /// - Returns: false if there was no room; the next line may find some.
    @discardableResult
    func write(_ message: String) -> Bool {
        let now = SystemClock.wallClockTime / .milliseconds(1)
        defer { rotate() }
        do throws(UVError) {
            try file.write(Array(LogLine.text(KeeperLog.cut(message), millisecondsSinceEpoch: Int64(now)).utf8))
            return true
        } catch {
            return false
        }
    }

    /// Why the keeper does not start: on stderr if the log has no room for it.
    func writeLast(_ failure: KeeperFailure) {
        let message = "\(failure.reason); exiting with status \(failure.status.rawValue)"
        if !write(message) { StandardStreams.writeError("uvkeeper-sidecar: \(message)\n") }
    }

    /// Cuts the log if it has reached its limit.
    func rotate() {
        guard isOwner else { return }
        do throws(UVError) {
            guard try file.status().size >= UInt64(maximumBytes) else { return }
            try file.truncate()
        } catch {
            complain("cannot cut the log to nothing, it grows on: \(error)")
        }
    }

    private func complain(_ message: String) {
        let now = SystemClock.monotonicTime
        if let lastComplaint, now - lastComplaint < KeeperLog.complaintInterval { return }
        lastComplaint = now
        write(message)
    }

    private static func cut(_ message: String) -> String {
        let count = message.utf8.count
        guard count > longestMessage else { return message }
        return "\(String(decoding: message.utf8.prefix(longestMessage), as: UTF8.self))… (\(count) bytes)"
    }
}
