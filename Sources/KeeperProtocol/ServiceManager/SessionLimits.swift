/// The limits on a session's use of the machine, its keeper included; nil for a resource without a limit.
public struct SessionLimits: Hashable, Sendable, Codable {
    /// The most bytes of memory; a process that the child is, or has started, is killed at it. An eighth of it, at most 32 MiB,
    /// is the keeper's. cgroup's `memory.max`.
    public var memoryMaximum: UInt64?
    /// Bytes of memory beyond which the session is slowed down and its memory taken back. cgroup's `memory.high`.
    public var memoryHigh: UInt64?
    /// Processor time, in percent of one processor: 150 is one and a half.
    public var cpuQuota: UInt64?
    /// The most processes and threads. cgroup's `pids.max`.
    public var tasksMaximum: UInt64?

    /// No limits, or those given.
    public init(
        memoryMaximum: UInt64? = nil, memoryHigh: UInt64? = nil, cpuQuota: UInt64? = nil, tasksMaximum: UInt64? = nil,
    ) {
        self.memoryMaximum = memoryMaximum
        self.memoryHigh = memoryHigh
        self.cpuQuota = cpuQuota
        self.tasksMaximum = tasksMaximum
    }

    /// True if there is no limit.
    public var isEmpty: Bool { self == SessionLimits() }
}

extension SessionLimits {
    /// The limits set by variables; malformed ones are left out, with a warning.
    init(_ environment: [String: String], warnings: inout [String]) {
        self.init()
        func number(_ name: String, _ read: (String) -> UInt64?) -> UInt64? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            let value = read(text)
            if value == nil {
                let isSmall =
                    [KeeperVariable.memoryMaximum, KeeperVariable.memoryHigh].contains(name)
                    && SessionLimits.size(text) != nil
                warnings.append(
                    isSmall
                        ? "ignoring \(name)=\(text): no session can live with less than 1M of memory"
                        : "ignoring malformed \(name)")
            }
            return value
        }
        memoryMaximum = number(KeeperVariable.memoryMaximum, SessionLimits.bytes)
        memoryHigh = number(KeeperVariable.memoryHigh, SessionLimits.bytes)
        cpuQuota = number(KeeperVariable.cpuQuota, SessionLimits.percent)
        tasksMaximum = number(KeeperVariable.tasksMaximum, SessionLimits.count)
    }

    /// The limits of memory of the child's own group: a little below the session's, so that it is the child that reaches its
    /// own. At a limit for both, the kernel would kill the keeper if it is larger than each of its child's processes.
    package var ofChildMemory: SessionLimits {
        let besideKeeper = { (bytes: UInt64) in bytes - min(bytes / 8, 32 << 20) }
        return SessionLimits(
            memoryMaximum: memoryMaximum.map(besideKeeper), memoryHigh: memoryHigh.map(besideKeeper))
    }

    /// The controllers of cgroup version 2 that enforce these limits.
    package var controllers: [String] {
        [
            ("memory", memoryMaximum ?? memoryHigh), ("cpu", cpuQuota), ("pids", tasksMaximum),
        ].compactMap { $1 == nil ? nil : $0 }
    }

    /// The variables that set these limits.
    package var environment: [(name: String, value: String)] {
        [
            (KeeperVariable.memoryMaximum, memoryMaximum), (KeeperVariable.memoryHigh, memoryHigh),
            (KeeperVariable.cpuQuota, cpuQuota), (KeeperVariable.tasksMaximum, tasksMaximum),
        ].compactMap { name, value in value.map { (name, "\($0)") } }
    }

    /// The lowest limit of memory, in bytes: with less, the kernel kills programs while it starts them.
    public static let leastMemory: UInt64 = 1 << 20

    /// A limit of memory, in bytes: digits, and perhaps `K`, `M`, `G` or `T` in powers of 1024, as in systemd; nil for
    /// anything else, and for less than ``leastMemory``.
    public static func bytes(_ text: String) -> UInt64? {
        size(text).flatMap { $0 < leastMemory ? nil : $0 }
    }

    private static func size(_ text: String) -> UInt64? {
        guard let last = text.utf8.last else { return nil }
        let shift: UInt64? =
            switch last {
            case UInt8(ascii: "K"): 10
            case UInt8(ascii: "M"): 20
            case UInt8(ascii: "G"): 30
            case UInt8(ascii: "T"): 40
            default: nil
            }
        guard let number = count(shift == nil ? text : String(text.dropLast())) else { return nil }
        let (value, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
        return overflow || value > largest ? nil : value
    }

    /// Percent of one processor, from 1 to 100,000: digits, and perhaps `%`.
    public static func percent(_ text: String) -> UInt64? {
        guard let number = count(text.utf8.last == UInt8(ascii: "%") ? String(text.dropLast()) : text),
            number <= 100_000
        else { return nil }
        return number
    }

    /// A number of at least 1.
    public static func count(_ text: String) -> UInt64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = UInt64(text), number > 0, number <= largest
        else { return nil }
        return number
    }

    /// The largest limit; systemd's value for no limit is higher.
    private static let largest: UInt64 = 1 << 62
}
