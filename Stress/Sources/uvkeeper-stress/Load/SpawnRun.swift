import Histogram
import UVKeeper

/// Waves of keepers, one after the other, in sessions that every wave starts again.
final class SpawnRun {
    private let settings: LoadSettings
    private let progress: Progress
    private let place: RunDirectory
    private let clock = RunClock(start: SystemClock.monotonicTime)
    private let loop: Loop
    private let manager: KeeperManager
    private let sampler: LagSampler
    private var series: Series!
    private var starvation: StarvationWatch!
    private let descriptors: Int
    private var signals: StopSignals!
    /// The reason why the run ends early.
    private var endedEarly: String?
    private var sessions: [Session] = []
    private var generator: SeededGenerator
    private var violations = Violations()
    private var faults: [FaultRecord] = []
    private var memory: [UInt64] = []
    private var waves = 0

    init(_ settings: LoadSettings, quiet: Bool) throws {
        self.settings = settings
        progress = Progress(isQuiet: quiet)
        generator = SeededGenerator(seed: settings.seed)
        try? DescriptorLimit.raise(upTo: 8192)
        try Loop().close()
        descriptors = OpenDescriptors.count
        place = try RunDirectory.make()
        loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = place.sessions
        options.sidecar = try settings.keeperFault.sidecar
        manager = try KeeperManager(on: loop, options: options)
        sampler = LagSampler(on: loop)
        for index in 0..<settings.sessions {
            sessions.append(try Session(index, in: place, manager: manager, settings: settings, clock: clock))
        }
        starvation = StarvationWatch(on: loop, clock: clock) { [unowned self] in
            sessions.flatMap(\.watched)
        } onStarved: { [unowned self] in
            faults.append($0)
        }
        signals = try StopSignals(on: loop)
        series = Series(on: loop) { [unowned self] measuresKeepers in sample(measuresKeepers) }
    }

    func run() throws -> RunResult {
        defer { place.remove() }
        startWave()
        loop.run()
        Remains.close(loop, into: &violations)
        progress.end()
        var judge = Judge(faults: faults)
        let cases = sessions.map(\.judged)
        for one in cases { judge.judge(one) }
        violations.take(judge.violations)
        Remains.check(place, descriptorsBefore: descriptors, into: &violations)
        Remains.checkChildren(into: &violations)
        violations.check(sampler.lag, bound: settings.lagBound, of: "the loop")
        var result = RunResult("spawn", settings, cases, judge)
        var starts = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        for time in sessions.flatMap(\.startTimes) { starts.record(max(1, time)) }
        result.seconds = Double(clock.microseconds) / 1e6
        result.lag = RunResult.Percentiles(sampler.lag.histogram)
        result.start = RunResult.Percentiles(starts)
        // The histogram of this scenario is that of the starts.
        result.latencyHistogram = HistogramFile.encode(starts)
        result.lagHistogram = HistogramFile.encode(sampler.lag.histogram)
        result.memoryPerKeeper = memory
        result.samples = series.samples
        result.incomplete = endedEarly
        result.notes = ["\(waves) waves of \(settings.sessions)"]
        result.take(violations)
        return result
    }

    private func sample(_ measuresKeepers: Bool) -> Sample {
        let written = sessions.reduce(0) { $0 + $1.burst.count }
        return Sample(
            time: Double(clock.microseconds) / 1e6, lines: written, bytes: written * LineFormat.minimumByteCount,
            lag: Double(sampler.takeRecent()) / 1000, descriptors: OpenDescriptors.count,
            handles: loop.openHandles.count, memory: ProcessDetails(of: CurrentProcess.id)?.residentMemory ?? 0,
            keepers: measuresKeepers ? sessions.compactMap { $0.current.flatMap { Memory.of($0.keeperPID) } } : [])
    }

    private func startWave() {
        waves += 1
        progress.show(
            Double(clock.microseconds) / 1e6, of: Double(RunClock.microseconds(settings.duration)) / 1e6,
            "wave \(waves)")
        let wave = Wave(
            sessions, in: place, discoveries: Discoveries(manager), clock: clock, seed: generator.next(),
            limit: settings.drainLimit, on: loop)
        wave.onFault = { [unowned self] in faults.append($0) }
        wave.onViolation = { [unowned self] in violations.add($0, $1) }
        wave.start { [unowned self] in
            memory = wave.memory
            endedEarly = signals.reasonToEnd(place)
            guard violations.total == 0, endedEarly == nil,
                clock.microseconds < RunClock.microseconds(settings.duration)
            else {
                return end()
            }
            startWave()
        }
    }

    private func end() {
        var left = sessions.count
        for session in sessions {
            manager.stop(session.name) { [self] result in
                // The last wave is over, unless it was given up: any other result tells what was left of it.
                if result != .notFound {
                    violations.add(.recovery, "after the last wave the keeper of \(session.id) was \(result)")
                }
                left -= 1
                guard left == 0 else { return }
                manager.close()
                sampler.close()
                series.close()
                starvation.close()
                signals.close()
            }
        }
    }
}
