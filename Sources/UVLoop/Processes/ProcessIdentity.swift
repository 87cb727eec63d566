/// One process, told from every other that has had its id or will have it: by the time it started, in this boot.
public struct ProcessIdentity: Hashable, Sendable {
    /// Its id.
    public let pid: Int32
    /// When it started, since the system booted, in whole clock ticks of the system.
    public let startTime: Duration
    /// The boot that ``startTime`` counts from; empty where the system does not tell, and then ``text`` is of no use.
    public let bootID: String

    /// The process that has this id now; nil if there is none, or if the system does not tell when it started.
    public init?(of pid: Int32) {
        guard let details = ProcessDetails(of: pid) else { return nil }
        self.pid = pid
        startTime = details.startTime
        bootID = ProcessIdentity.currentBootID
    }

    /// True if that process runs. False for one that has ended and whose parent has not noticed.
    public var isRunning: Bool {
        guard let details = ProcessDetails(of: pid) else { return false }
        return isOf(details) && !details.isZombie
    }

    /// True if what the system tells of the process that has this id now is about that process.
    public func isOf(_ details: ProcessDetails) -> Bool {
        details.startTime == startTime && bootID == ProcessIdentity.currentBootID
    }

    /// ``startTime`` in clock ticks, of which a second has a hundred.
    public var startTicks: UInt64 {
        let (seconds, attoseconds) = startTime.components
        return UInt64(seconds * 100 + attoseconds / 10_000_000_000_000_000)
    }

    /// Boot and start, to be kept beside a file that has the pid: `<boot id> <milliseconds>`.
    public var text: String {
        // Exact: a quotient of durations is a Double, and may be a millisecond short.
        let (seconds, attoseconds) = startTime.components
        return "\(bootID) \(seconds * 1000 + attoseconds / 1_000_000_000_000_000)"
    }

    /// From a pid and what ``text`` gave for it; nil for anything else.
    public init?(pid: Int32, text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard pid > 0, parts.count == 2, !parts[0].isEmpty, let milliseconds = Int64(Substring(parts[1])),
            milliseconds >= 0
        else { return nil }
        self.pid = pid
        bootID = String(Substring(parts[0]))
        startTime = .milliseconds(milliseconds)
    }

    /// Another one for each boot, and for each container where that has a boot id of its own; empty without `/proc`.
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
