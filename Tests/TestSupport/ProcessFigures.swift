import UVLoop

/// Linux's figures for a process; nil if the system does not tell them.
public struct ProcessFigures {
    private let pid: Int32

    /// Creates the figures without reading any.
    public init(of pid: Int32) {
        self.pid = pid
    }

    /// The memory in RAM, and its unshared part, in KiB.
    public var memory: (resident: Int, own: Int)? {
        guard let resident = number("Rss:", in: "smaps_rollup"),
            let clean = number("Private_Clean:", in: "smaps_rollup"),
            let dirty = number("Private_Dirty:", in: "smaps_rollup")
        else { return nil }
        return (resident, clean + dirty)
    }

    /// The number of times the process has waited for something.
    public var waits: Int? { number("voluntary_ctxt_switches:", in: "status") }

    /// The state of each of its threads as a letter: S sleeps, R runs or waits for a processor, T is stopped.
    public var states: [Character]? {
        guard let threads = try? Files.names(inDirectory: "/proc/\(pid)/task") else { return nil }
        return threads.compactMap { thread in
            guard let stat = text("task/\(thread)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
            return stat[end...].dropFirst(2).first
        }
    }

    /// True if all its threads wait for something other than a processor. The process has then looked at all bytes that
    /// were sent to it before, however slow the machine is: sending wakes it up, and from then on it counts as running
    /// until it sleeps again.
    public var isAsleep: Bool? { states.map { !$0.isEmpty && $0.allSatisfy { $0 == "S" } } }

    /// True if a signal has stopped the process.
    public var isStopped: Bool? { states.map { !$0.isEmpty && $0.allSatisfy { $0 == "T" } } }

    /// The processor time used.
    public var processorTime: Duration? {
        guard let stat = text("stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[end...].split(separator: " ")
        guard let user = Int(fields[12]), let system = Int(fields[13]) else { return nil }
        return .milliseconds((user + system) * 10)
    }

    /// The open descriptors.
    public var descriptors: [String] { (try? Files.names(inDirectory: "/proc/\(pid)/fd")) ?? [] }

    /// Returns a line of `/proc/<pid>/limits`: the soft and the hard limit.
    public func limit(_ name: String) -> [String]? {
        text("limits")?.split(separator: "\n").first { $0.hasPrefix(name) }
            .map { $0.dropFirst(26).split(separator: " ").prefix(2).map(String.init) }
    }

    /// Returns a number in `/proc/<pid>/<file>`.
    public func number(_ name: String, in file: String) -> Int? {
        text(file)?.split(separator: "\n").first { $0.hasPrefix(name) }
            .flatMap { Int($0.dropFirst(name.count).split { " \t".contains($0) }.first ?? "") }
    }

    /// Returns every process whose environment contains `text`, without zombies.
    public static func processes(withEnvironmentContaining text: String) -> [Int32] {
        let needle = Array(text.utf8)
        return ((try? Files.names(inDirectory: "/proc")) ?? []).compactMap { Int32($0) }.filter { pid in
            guard let bytes = try? Files.read("/proc/\(pid)/environ", limit: 65536) else { return false }
            return bytes.firstRange(of: needle) != nil
        }
    }

    private func text(_ file: String) -> String? {
        (try? Files.read("/proc/\(pid)/\(file)", limit: 65536)).map { String(decoding: $0, as: UTF8.self) }
    }
}
