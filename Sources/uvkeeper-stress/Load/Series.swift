import UVKeeper

/// Samples a run at an interval that grows with its length, so that an hour fits a page.
final class Series {
    private static let limit = 600

    private(set) var samples: [Sample] = []
    private let timer: TimerHandle
    private unowned let engine: Engine
    private var interval = Duration.milliseconds(250)
    private var lines = 0
    private var bytes = 0
    private var ticks = 0
    /// For the live display.
    var onSample: ((Sample) -> Void)?

    init(_ engine: Engine) throws(UVError) {
        self.engine = engine
        timer = try TimerHandle(on: engine.loop)
        arm()
    }

    private func arm() {
        timer.start(after: interval, repeating: interval) { [unowned self] _ in sample() }
    }

    func sample() {
        ticks += 1
        // Walking a keeper's pages costs it and us time: now and then is enough.
        let keepers =
            ticks % 8 == 4 ? engine.sessions.compactMap { $0.current.flatMap { Memory.of($0.keeperPID) } } : []
        let sample = Sample(
            time: engine.seconds, lines: engine.tally.written - lines, bytes: engine.tally.bytes - bytes,
            lag: Double(engine.lag.takeRecent()) / 1000, descriptors: OpenDescriptors.count,
            handles: engine.loop.openHandles.count,
            memory: ProcessDetails(of: Processes.currentID)?.residentMemory ?? 0, keepers: keepers)
        lines = engine.tally.written
        bytes = engine.tally.bytes
        samples.append(sample)
        onSample?(sample)
        if samples.count >= Series.limit { thin() }
    }

    /// Joins neighbours and samples half as often.
    private func thin() {
        samples = stride(from: 0, to: samples.count - 1, by: 2).map { index in
            var joined = samples[index + 1]
            joined.lines += samples[index].lines
            joined.bytes += samples[index].bytes
            joined.lag = max(joined.lag, samples[index].lag)
            if joined.keepers.isEmpty { joined.keepers = samples[index].keepers }
            return joined
        }
        interval *= 2
        arm()
    }

    func close() { timer.close() }
}

/// The descriptors this process has open.
enum OpenDescriptors {
    /// Without the one that counting takes; 0 where the system does not tell.
    static var count: Int { max(0, ((try? Files.names(inDirectory: "/proc/self/fd")) ?? []).count - 1) }
}
