internal import KeeperProtocol
internal import UVLoop

/// The keeper's log: one line per event, and, if captured, the child's output between them.
///
/// A log that has grown too large is cut to nothing in place (same inode); the cut is not logged. If the log was moved
/// or removed, a new one is made; if that fails, a moved one is still written to. A log that cannot be written to (a
/// full disk) never stops a session: lost bytes of output are counted, and logged when there is room again.
final class KeeperLog {
    private var file: OpenFile
    private let path: String
    private let maximumBytes: Int
    /// True if the log may be cut: a keeper that finds its session taken must not cut the log of the one that has it.
    private var isOwner = false
    /// The last time a failed cut was logged, on the monotonic clock.
    private var lastComplaint: Duration?
    /// The stream whose last line is unfinished: anything else that follows begins a new line.
    private var unfinished: ChildStream?
    /// Bytes of the output that could not be written, in all.
    private(set) var lostOutput = SessionStatus.Streams<UInt64>(out: 0, err: 0)
    /// Bytes of the output whose loss is not logged yet, and the last error.
    private var untold: (byteCount: UInt64, error: UVError)?
    private static let complaintInterval = Duration.seconds(60)
    /// The longest message, in bytes; longer ones are cut, as a command may have a mebibyte of arguments.
    private static let longestMessage = 16384

    init(path: String, maximumBytes: Int) throws(UVError) {
        self.path = path
        file = try LogFile.open(path)
        self.maximumBytes = maximumBytes
    }

    /// Makes the log this keeper's, once the session is.
    func takeOver() {
        isOwner = true
        do throws(UVError) { try prepare() } catch {
            // The first line tries again.
        }
    }

    /// Writes a line.
    ///
    /// - Returns: false if it could not be written; the next line may fare better.
    @discardableResult
    func write(_ message: String) -> Bool {
        do throws(UVError) {
            try prepare()
            try writeLine(message)
            return true
        } catch {
            return false
        }
    }

    private func writeLine(_ message: String) throws(UVError) {
        let now = SystemClock.wallClockTime / .milliseconds(1)
        let line = LogLine.text(KeeperLog.cut(message), millisecondsSinceEpoch: Int64(now))
        try file.write(Array((unfinished == nil ? line : "\n" + line).utf8))
        unfinished = nil
    }

    /// Writes why the keeper does not start: to stderr if the log has no room for it.
    func writeLast(_ failure: KeeperFailure) {
        let message = "\(failure.reason); exiting with status \(failure.status.rawValue)"
        if !write(message) { StandardStreams.writeError("uvkeeper-sidecar: \(message)\n") }
    }

    // MARK: The child's output

    /// Appends output, verbatim.
    func append(_ bytes: UnsafeRawBufferPointer, of stream: ChildStream) {
        var rest = bytes
        do throws(UVError) {
            try prepare()
            try tellLoss()
            if let unfinished, unfinished != stream {
                try file.write([NewlineScan.newline])
                self.unfinished = nil
            }
            while !rest.isEmpty {
                let count = try file.writeOnce(rest)
                unfinished = rest[count - 1] == NewlineScan.newline ? nil : stream
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        } catch {
            lostOutput[stream] += UInt64(rest.count)
            untold = ((untold?.byteCount ?? 0) + UInt64(rest.count), error)
        }
    }

    private func tellLoss() throws(UVError) {
        guard let (byteCount, error) = untold else { return }
        try writeLine("\(byteCount) bytes of pi's output could not be written: \(error)")
        untold = nil
    }

    // MARK: The file

    /// Called before each write: makes the log anew if its name has gone, or cuts the log if it has reached its limit.
    ///
    /// - Throws: the error of making a new log, if the old one has no name any more.
    private func prepare() throws(UVError) {
        guard isOwner else { return }
        guard let status = currentStatus else { return try renew() }
        guard status.size >= UInt64(maximumBytes) else { return }
        do throws(UVError) {
            try file.truncate()
            unfinished = nil
        } catch {
            complain("cannot cut the log to nothing, it grows on: \(error)")
        }
    }

    /// The status of the log; nil if the file at its path is another one.
    private var currentStatus: FileStatus? {
        do throws(UVError) {
            let status = try Files.status(of: path, followingLinks: false)
            return status.identity == file.statusAtOpening.identity ? status : nil
        } catch {
            return nil
        }
    }

    private func renew() throws(UVError) {
        do throws(UVError) {
            file = try LogFile.open(path)
            unfinished = nil
        } catch {
            // A moved log is better than none.
            guard try file.status().linkCount > 0 else { throw error }
        }
    }

    private func complain(_ message: String) {
        let now = SystemClock.monotonicTime
        if let lastComplaint, now - lastComplaint < KeeperLog.complaintInterval { return }
        lastComplaint = now
        do throws(UVError) { try writeLine(message) } catch {
            // The complaint does not fit either.
        }
    }

    private static func cut(_ message: String) -> String {
        let count = message.utf8.count
        guard count > longestMessage else { return message }
        return "\(String(decoding: message.utf8.prefix(longestMessage), as: UTF8.self))… (\(count) bytes)"
    }
}
