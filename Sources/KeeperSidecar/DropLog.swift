internal import UVLoop

/// Notes about dropped lines, at most one a second, so that no client can flood the log; what is left out is counted.
final class DropLog {
    private static let interval = Duration.seconds(1)

    private let log: KeeperLog
    private var last: Duration?
    private var suppressed = 0

    init(_ log: KeeperLog) {
        self.log = log
    }

    func drop(_ reason: String) {
        let now = LibUV.monotonicTime
        if let last, now - last < DropLog.interval {
            suppressed += 1
            return
        }
        last = now
        log.write("drop line: \(reason)\(others)")
        suppressed = 0
    }

    /// At the end: what was left out since the last note.
    func flush() {
        if suppressed > 0 { log.write("drop line:\(others)") }
        suppressed = 0
    }

    private var others: String { suppressed == 0 ? "" : " (and \(suppressed) more since the last note)" }
}
