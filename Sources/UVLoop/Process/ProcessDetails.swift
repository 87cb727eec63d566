internal import CLibUV

/// What the system tells about a process: Linux's `/proc`. Elsewhere there is nothing to read yet, and the initialiser
/// returns nil, which callers take for "cannot be told", never for "gone".
public struct ProcessDetails: Hashable, Sendable {
    /// When it started, since the system booted; with the pid, this tells a process from a later one of the same id.
    public let startTime: Duration
    /// It has ended and its parent has not collected its status.
    public let isZombie: Bool
    /// Its parent's id.
    public let parent: Int32
    /// Memory it holds in RAM, in bytes.
    public let residentMemory: UInt64

    /// Reads `/proc/<pid>/stat`; nil if the process is gone, or the system does not tell.
    public init?(of pid: Int32) {
        guard pid > 0, let stat = ProcessDetails.read("/proc/\(pid)/stat") else { return nil }
        // pid (name) state ppid ...: the name may hold anything, a closing parenthesis included.
        guard let end = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = stat[(end + 1)...].split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        // Fields count from the state: 0 state, 1 parent, 19 start time in ticks, 21 resident pages.
        guard fields.count > 21, let parent = Int32(fields[1]), let ticks = Int64(fields[19]),
            let pages = UInt64(fields[21])
        else { return nil }
        isZombie = fields[0] == "Z" || fields[0] == "X"
        self.parent = parent
        startTime = .milliseconds(ticks * 1000 / Int64(max(1, sysconf(CInt(_SC_CLK_TCK)))))
        residentMemory = pages * UInt64(max(1, sysconf(CInt(_SC_PAGESIZE))))
    }

    /// The command line of a process; nil if it is gone, hidden, or the system does not tell; empty for a zombie, and on
    /// Linux for an instant while a process starts a program, even after the spawn has returned to the parent.
    public static func arguments(of pid: Int32) -> [String]? {
        guard pid > 0, let bytes = read("/proc/\(pid)/cmdline") else { return nil }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// The time since the system booted, on the clock of ``startTime``. Mirrors `uv_uptime`.
    public static var uptime: Duration {
        var seconds = 0.0
        // Fails only where the system does not tell; zero then.
        _ = uv_uptime(&seconds)
        return .seconds(seconds)
    }

    private static func read(_ path: String) -> [UInt8]? {
        #if os(Linux)
        do { return try Files.read(path, limit: 65536) } catch { return nil }
        #else
        return nil
        #endif
    }
}
