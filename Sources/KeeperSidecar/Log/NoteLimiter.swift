internal import UVLoop

/// Notes of one kind, at most one a second, so that no client can flood the log; notes left out are counted.
final class NoteLimiter {
    private static let interval = Duration.seconds(1)

    private let log: KeeperLog
    private let subject: String
    private var last: Duration?
    private var suppressed = 0

    /// - Parameter subject: the first words of every note.
    init(_ log: KeeperLog, subject: String) {
        self.log = log
        self.subject = subject
    }

    func note(_ reason: String) {
        let now = SystemClock.monotonicTime
        if let last, now - last < NoteLimiter.interval {
            suppressed += 1
            return
        }
        last = now
        log.write("\(subject): \(reason)\(others)")
        suppressed = 0
    }

    /// Logs the number of notes left out since the last one. Called at the end.
    func flush() {
        if suppressed > 0 { log.write("\(subject):\(others)") }
        suppressed = 0
    }

    private var others: String { suppressed == 0 ? "" : " (and \(suppressed) more since the last note)" }
}
