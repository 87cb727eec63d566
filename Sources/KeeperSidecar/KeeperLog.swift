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

    init(path: String, maximumBytes: Int) throws(UVError) {
        file = try OpenFile(path, .append)
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
        let now = LibUV.wallClockTime / .milliseconds(1)
        defer { rotate() }
        do throws(UVError) {
            try file.write(Array(LogLine.text(message, millisecondsSinceEpoch: Int64(now)).utf8))
            return true
        } catch {
            return false
        }
    }

    /// Why the keeper does not start: on stderr if the log has no room for it.
    func writeLast(_ failure: KeeperFailure) {
        let message = "\(failure.reason); exiting with status \(failure.status.rawValue)"
        if !write(message) { Descriptors.writeToStandardError("uvkeeper-sidecar: \(message)\n") }
    }

    /// Cuts the log if it is over its limit.
    func rotate() {
        guard isOwner else { return }
        do throws(UVError) {
            guard try file.status().size > UInt64(maximumBytes) else { return }
            try file.truncate()
        } catch {
            // The same at the next check.
        }
    }
}
