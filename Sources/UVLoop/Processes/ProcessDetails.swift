internal import CLibUV

/// What the system tells about a process: Linux's `/proc`, if it is of this pid namespace. Elsewhere there is nothing to read yet, and the initialiser
/// returns nil, which callers take for "cannot be told", never for "gone".
public struct ProcessDetails: Hashable, Sendable {
    /// When it started, since the system booted; with the pid, this tells a process from a later one of the same id.
    public let startTime: Duration
    /// It has ended and its parent has not collected its status. False while a thread runs, also if the first one has ended
    /// (`pthread_exit` in main), which the kernel calls a zombie too.
    public let isZombie: Bool
    /// A signal has stopped it (`SIGSTOP`, Ctrl-Z), or a debugger holds it: it does nothing until somebody lets it go on.
    public let isStopped: Bool
    /// Its parent's id.
    public let parent: Int32
    /// The session it is in: the id of the process that leads it.
    public let session: Int32
    /// Memory it holds in RAM, in bytes.
    public let residentMemory: UInt64

    /// Reads `/proc/<pid>/stat`; nil if the process is gone, or the system does not tell.
    public init?(of pid: Int32) {
        guard pid > 0 else { return nil }
        // A line of 52 numbers and a name of at most 64 bytes.
        let details = withUnsafeTemporaryAllocation(byteCount: 2048, alignment: 1) { buffer in
            ProcessDetails.read("/proc/\(pid)/stat", into: buffer).flatMap { ProcessDetails(stat: $0) }
        }
        guard let details else { return nil }
        self = details
    }

    private init?(stat: UnsafeRawBufferPointer) {
        // pid (name) state ppid ...: the name may hold anything, a closing parenthesis included.
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
        self.parent = Int32(clamping: parent)
        self.session = Int32(clamping: session)
        startTime = .milliseconds(ticks * 1000 / Int64(max(1, sysconf(CInt(_SC_CLK_TCK)))))
        residentMemory = UInt64(clamping: pages) * UInt64(max(1, sysconf(CInt(_SC_PAGESIZE))))
    }

    /// The `field`-th number, counted from 0, of those that spaces separate; nil if there is none. No array or string is made:
    /// a discovery asks thousands of times.
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

    /// The command line of a process; nil if it is gone, hidden, or the system does not tell; empty for a zombie, and on
    /// Linux for an instant while a process starts a program, even after the spawn has returned to the parent.
    public static func arguments(of pid: Int32) -> [String]? {
        guard pid > 0, let bytes = read("/proc/\(pid)/cmdline") else { return nil }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().map { RawText.string($0) }
    }

    /// The name of the program that a process runs, at most 15 bytes of it; nil if the process is gone, or the system does
    /// not tell.
    public static func name(of pid: Int32) -> String? {
        guard pid > 0, let bytes = read("/proc/\(pid)/comm") else { return nil }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The environment that a process was started with; nil if it is gone, hidden, or the system does not tell.
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
        // Fails only where the system does not tell; zero then.
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
