import UVKeeper

/// The state of a run at one moment.
struct Sample: Codable, Sendable {
    /// Seconds since the start.
    var time: Double
    /// Lines written since the sample before.
    var lines: Int
    var bytes: Int
    /// Milliseconds, the longest since the sample before.
    var lag: Double
    var descriptors: Int
    var handles: Int
    /// Bytes of this process in RAM.
    var memory: UInt64
    /// Bytes of each keeper, proportional share; empty where it was not measured.
    var keepers: [UInt64]
    /// Of the keeper that has most; nil where it was not counted.
    var keeperDescriptors: Int?
}

/// Memory as the kernel counts it.
enum Memory {
    /// The proportional share, else what is resident; nil if the process is gone.
    static func of(_ pid: Int32) -> UInt64? {
        if let bytes = try? Files.read("/proc/\(pid)/smaps_rollup", limit: 8192) {
            let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("Pss:") }
            if let number = line?.split(separator: " ").dropFirst().first.flatMap({ UInt64($0) }) {
                return number << 10
            }
        }
        return ProcessDetails(of: pid)?.residentMemory
    }
}
