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
    /// Bytes of this process in RAM that are no file's: what it keeps of every line is in files.
    var memory: UInt64
    /// Bytes of each keeper, proportional share; empty where it was not measured.
    var keepers: [UInt64]
    /// Of the keeper that has most; nil where it was not counted.
    var keeperDescriptors: Int?
    /// Bytes that are no file's, of the keeper that has most; nil where it was not counted. Its share of a file's pages grows
    /// also when another process that has mapped the file ends.
    var keeperMemory: UInt64?
}

/// Memory as the kernel counts it.
enum Memory {
    /// Of this process, without the files it has mapped; 0 where the system does not tell.
    static var own: UInt64 { withoutFiles(of: CurrentProcess.id) ?? 0 }

    /// Without the files that the process has mapped; nil if it is gone, or the system does not tell.
    static func withoutFiles(of pid: Int32) -> UInt64? { figure("RssAnon:", in: "/proc/\(pid)/status") }

    /// The proportional share, else what is resident; nil if the process is gone.
    static func of(_ pid: Int32) -> UInt64? {
        figure("Pss:", in: "/proc/\(pid)/smaps_rollup") ?? ProcessDetails(of: pid)?.residentMemory
    }

    /// A figure in KiB, as bytes; nil if the file does not have it.
    private static func figure(_ name: String, in path: String) -> UInt64? {
        guard let bytes = try? Files.read(path, limit: 8192) else { return nil }
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(name) }
        let words = line?.split { $0 == " " || $0 == "\t" } ?? []
        return words.count > 1 ? UInt64(words[1]).map { $0 << 10 } : nil
    }
}
