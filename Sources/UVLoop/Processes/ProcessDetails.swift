internal import CLibUV

/// The system's facts about a process: from Linux's `/proc`, if that is of this pid namespace. On other systems the
/// initialiser returns nil, which callers take for "unknown", never for "gone".
public struct ProcessDetails: Hashable, Sendable {
    /// The start time, counted from the boot; with the pid, it tells a process from a later one with the same id.
    public let startTime: Duration
    /// True if the process has ended and its parent has not collected its status. False while a thread runs, even if
    /// the first one has ended (`pthread_exit` in main), which the kernel calls a zombie too.
    public let isZombie: Bool
    /// True if a signal has stopped the process (`SIGSTOP`, Ctrl-Z), or a debugger holds it: it does nothing until it is
    /// let go on.
    public let isStopped: Bool
    /// True if the first thread runs, or waits for a processor.
    public let isRunnable: Bool
    /// The parent's id.
    public let parent: Int32
    /// The process's session: the id of its leader.
    public let session: Int32
    /// The memory of the process in RAM, in bytes.
    public let residentMemory: UInt64

    /// Reads `/proc/<pid>/stat`; nil if the process is gone, or the system does not tell.
    public init?(of pid: Int32) {
        guard pid > 0 else { return nil }
        // The buffer has room for 52 numbers and a name of at most 64 bytes.
        let details = withUnsafeTemporaryAllocation(byteCount: 2048, alignment: 1) { buffer in
            ProcessDetails.read("/proc/\(pid)/stat", into: buffer).flatMap { ProcessDetails(stat: $0) }
        }
        guard let details else { return nil }
        self = details
    }

    private init?(stat: UnsafeRawBufferPointer) {
        // The format is pid (name) state ppid ...; the name may contain any byte, even a closing parenthesis.
        guard let end = stat.lastIndex(of: UInt8(ascii: ")")), stat.count > end + 2 else { return nil }
        // Fields count from the state: 0 state, 1 parent, 3 session, 17 threads, 19 start time in ticks, 21 resident
        // pages.
        let state = stat[end + 2]
        let fields = UnsafeRawBufferPointer(rebasing: stat[(end + 2)...])
        guard let parent = ProcessDetails.number(1, in: fields), let session = ProcessDetails.number(3, in: fields),
            let threads = ProcessDetails.number(17, in: fields), let ticks = ProcessDetails.number(19, in: fields),
            let pages = ProcessDetails.number(21, in: fields)
        else { return nil }
        isZombie = (state == UInt8(ascii: "Z") || state == UInt8(ascii: "X")) && threads <= 1
        isStopped = state == UInt8(ascii: "T") || state == UInt8(ascii: "t")
        isRunnable = state == UInt8(ascii: "R")
        self.parent = Int32(clamping: parent)
        self.session = Int32(clamping: session)
        startTime = .milliseconds(ticks * 1000 / Int64(max(1, sysconf(CInt(_SC_CLK_TCK)))))
        residentMemory = UInt64(clamping: pages) * UInt64(max(1, sysconf(CInt(_SC_PAGESIZE))))
    }

    /// Returns the `field`-th space-separated number, counted from 0; nil if there is none. Makes no array or string: a
    /// discovery asks thousands of times.
    private static func number(_ field: Int, in fields: UnsafeRawBufferPointer) -> Int64? {
        var index = 0
        for _ in 0..<field {
            while index < fields.count, fields[index] != UInt8(ascii: " ") { index += 1 }
            index += 1
        }
        var number: Int64?
        while index < fields.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(fields[index]) {
            let (tens, isHuge) = (number ?? 0).multipliedReportingOverflow(by: 10)
            guard !isHuge else { return nil }
            number = tens &+ Int64(fields[index] - UInt8(ascii: "0"))
            index += 1
        }
        return number
    }

    /// Returns the command line of a process; nil if it is gone, hidden, or the system does not tell. Empty for a
    /// zombie, and on Linux for an instant while a process starts a program, even after the spawn has returned to the
    /// parent.
    public static func arguments(of pid: Int32) -> [String]? {
        guard pid > 0, let bytes = read("/proc/\(pid)/cmdline") else { return nil }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().map { RawText.string($0) }
    }

    /// Returns the name of the program that a process runs, at most its first 15 bytes; nil if the process is gone, or
    /// the system does not tell.
    public static func name(of pid: Int32) -> String? {
        guard pid > 0, let bytes = read("/proc/\(pid)/comm") else { return nil }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// Returns the environment that a process was started with; nil if it is gone, hidden, or the system does not tell.
    public static func environment(of pid: Int32) -> ProcessEnvironment? {
        #if os(Linux)
        guard pid > 0, ProcessDirectory.isOwn else { return nil }
        do throws(UVError) {
            let file = try OpenFile("/proc/\(pid)/environ", .readOnly)
            defer { file.close() }
            return ProcessEnvironment(entries: try file.readToEnd().split(separator: 0).map { Array($0) })
        } catch {
            return nil
        }
        #else
        return nil
        #endif
    }

    /// The time since the system booted, on the clock of ``startTime``. Mirrors `uv_uptime`.
    public static var uptime: Duration {
        var seconds = 0.0
        // `uv_uptime` fails only if the system does not tell; the result is zero then.
        _ = uv_uptime(&seconds)
        return .seconds(seconds)
    }

    private static func read(_ path: String, into buffer: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer? {
        #if os(Linux)
        return ProcessDirectory.isOwn ? Files.readOnce(path, into: buffer) : nil
        #else
        return nil
        #endif
    }

    private static func read(_ path: String) -> [UInt8]? {
        #if os(Linux)
        guard ProcessDirectory.isOwn else { return nil }
        do { return try Files.read(path, limit: 65536) } catch { return nil }
        #else
        return nil
        #endif
    }
}
