import UVKeeper

/// The state of a run at one moment.
struct Sample: Codable, Sendable {
    /// Seconds since the start.
    var time: Double
    /// Lines written since the sample before.
    var lines: Int
    var bytes: Int
    /// The longest lag since the sample before, in milliseconds.
    var lag: Double
    var descriptors: Int
    var handles: Int
    /// Bytes of this process in RAM, without mapped files, since everything kept for each line is in files.
    var memory: UInt64
    /// Bytes of each keeper, proportional share; empty if not measured.
    var keepers: [UInt64]
    /// Descriptors of the keeper that has most; nil if not counted.
    var keeperDescriptors: Int?
    /// Bytes, without mapped files, of the keeper that has most; nil if not counted. Mapped files are left out, since a
    /// keeper's share of their pages also grows when another process that has mapped the file ends.
    var keeperMemory: UInt64?
}

/// Memory by the kernel's count.
enum Memory {
    /// The memory of this process, without mapped files; 0 if the system does not tell.
    static var own: UInt64 { withoutFiles(of: CurrentProcess.id) ?? 0 }

    /// Returns the memory of a process without mapped files; nil if the process is gone, or the system does not tell.
    static func withoutFiles(of pid: Int32) -> UInt64? { figure("RssAnon:", in: "/proc/\(pid)/status") }

    /// Returns the proportional share, or else the resident memory; nil if the process is gone.
    static func of(_ pid: Int32) -> UInt64? {
        figure("Pss:", in: "/proc/\(pid)/smaps_rollup") ?? ProcessDetails(of: pid)?.residentMemory
    }

    /// Returns a figure in KiB, as bytes; nil if the file does not have it.
    private static func figure(_ name: String, in path: String) -> UInt64? {
        guard let bytes = try? Files.read(path, limit: 8192) else { return nil }
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(name) }
        let words = line?.split { $0 == " " || $0 == "\t" } ?? []
        return words.count > 1 ? UInt64(words[1]).map { $0 << 10 } : nil
    }
}
