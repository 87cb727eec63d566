/// The identity of one process among all that have had its id or will: the id and the start time, in this boot.
public struct ProcessIdentity: Hashable, Sendable {
    /// The process's id.
    public let pid: Int32
    /// The start time, counted from the boot, in whole clock ticks of the system.
    public let startTime: Duration
    /// The boot that ``startTime`` counts from; empty if the system does not tell, which makes ``text`` useless.
    public let bootID: String

    /// The identity of the process that has this id now; nil if there is none, or if the system does not tell its start
    /// time.
    public init?(of pid: Int32) {
        guard let details = ProcessDetails(of: pid) else { return nil }
        self.pid = pid
        startTime = details.startTime
        bootID = ProcessIdentity.currentBootID
    }

    /// True if the process runs; false for one that has ended even if its parent has not collected its status.
    public var isRunning: Bool {
        guard let details = ProcessDetails(of: pid) else { return false }
        return isOf(details) && !details.isZombie
    }

    /// True if these facts, of the process that has this id now, are about this process.
    public func isOf(_ details: ProcessDetails) -> Bool {
        details.startTime == startTime && bootID == ProcessIdentity.currentBootID
    }

    /// ``startTime`` in clock ticks, a hundred to the second.
    public var startTicks: UInt64 {
        let (seconds, attoseconds) = startTime.components
        return UInt64(seconds * 100 + attoseconds / 10_000_000_000_000_000)
    }

    /// The boot and the start time, for storing beside a file that holds the pid: `<boot id> <milliseconds>`.
    public var text: String {
        // The arithmetic is exact: a quotient of durations is a Double, and may be a millisecond short.
        let (seconds, attoseconds) = startTime.components
        return "\(bootID) \(seconds * 1000 + attoseconds / 1_000_000_000_000_000)"
    }

    /// Creates an identity from a pid and its ``text``; nil for any other text.
    public init?(pid: Int32, text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard pid > 0, parts.count == 2, !parts[0].isEmpty, let milliseconds = Int64(Substring(parts[1])),
            milliseconds >= 0
        else { return nil }
        self.pid = pid
        bootID = String(Substring(parts[0]))
        startTime = .milliseconds(milliseconds)
    }

    /// The id of this boot; a container may have one of its own. Empty without `/proc`.
    private static let currentBootID: String = {
        #if os(Linux)
        do throws(UVError) {
            let bytes = try Files.read("/proc/sys/kernel/random/boot_id", limit: 64)
            return String(decoding: bytes.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
        } catch {
            return ""
        }
        #else
        return ""
        #endif
    }()
}
