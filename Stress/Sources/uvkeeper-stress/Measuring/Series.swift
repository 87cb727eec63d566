import UVKeeper

/// Samples a run at an interval that grows with its length, so that an hour fits a page.
final class Series {
    private static let limit = 600

    private(set) var samples: [Sample] = []
    private let timer: TimerHandle
    /// Reads the state, with totals for lines and bytes; the flag says whether to measure the keepers too.
    private let read: (Bool) -> Sample
    private var interval = Duration.milliseconds(250)
    private var lines = 0
    private var bytes = 0
    private var ticks = 0
    /// Lines per second between the last two samples.
    private(set) var rate = 0.0
    /// Called with each sample, for the live display.
    var onSample: ((Sample) -> Void)?

    init(on loop: Loop, read: @escaping (_ measuresKeepers: Bool) -> Sample) {
        self.read = read
        timer = TimerHandle(on: loop)
        arm()
    }

    private func arm() {
        timer.start(after: interval, repeating: interval) { [unowned self] _ in sample() }
    }

    func sample() {
        ticks += 1
        // The keepers are measured only now and then: walking a keeper's pages costs time, its own and ours.
        var sample = read(ticks % 8 == 4)
        (lines, sample.lines) = (sample.lines, sample.lines - lines)
        (bytes, sample.bytes) = (sample.bytes, sample.bytes - bytes)
        if let before = samples.last, sample.time > before.time {
            rate = Double(sample.lines) / (sample.time - before.time)
        }
        samples.append(sample)
        onSample?(sample)
        if samples.count >= Series.limit { thin() }
    }

    /// Joins neighbouring samples and samples half as often.
    private func thin() {
        samples = stride(from: 0, to: samples.count - 1, by: 2).map { index in
            var joined = samples[index + 1]
            joined.lines += samples[index].lines
            joined.bytes += samples[index].bytes
            joined.lag = max(joined.lag, samples[index].lag)
            if joined.keepers.isEmpty {
                joined.keepers = samples[index].keepers
                joined.keeperDescriptors = samples[index].keeperDescriptors
                joined.keeperMemory = samples[index].keeperMemory
            }
            return joined
        }
        interval *= 2
        arm()
    }

    func close() { timer.close() }
}

/// The descriptors a process has open.
enum OpenDescriptors {
    /// The number of this process's descriptors, without the one that counting takes; 0 if the system does not tell.
    static var count: Int { max(0, count(of: "self") - 1) }

    /// Returns the same number; nil if the system does not tell.
    static func ofThisProcess() throws(UVError) -> Int? {
        do throws(UVError) {
            return try Files.names(inDirectory: "/proc/self/fd").count - 1
        } catch .noEntry {
            return nil
        }
    }

    static func count(of pid: Int32) -> Int { count(of: "\(pid)") }

    private static func count(of name: String) -> Int {
        ((try? Files.names(inDirectory: "/proc/\(name)/fd")) ?? []).count
    }
}
