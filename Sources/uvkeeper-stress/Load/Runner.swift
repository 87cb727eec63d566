import Histogram
import UVKeeper

/// Runs one scenario on an engine and puts together what it found.
final class Runner {
    let scenario: String
    let settings: LoadSettings
    let progress: Progress
    /// Adds the scenario's own part to an engine that is about to run.
    var prepare: (Engine) throws -> Void = { _ in }
    /// Adds its own findings after the run.
    var conclude: (Engine, inout RunResult, inout Violations) -> Void = { _, _, _ in }

    init(_ scenario: String, _ settings: LoadSettings, quiet: Bool) {
        self.scenario = scenario
        self.settings = settings
        progress = Progress(isQuiet: quiet)
    }

    /// The command line that was given, with its seed.
    static func replay(seed: UInt64) -> String {
        let arguments = CommandLine.arguments.dropFirst().joined(separator: " ")
        return "uvkeeper-stress \(arguments)" + (arguments.contains("--seed") ? "" : " --seed \(seed)")
    }

    func run() throws -> RunResult {
        try? Descriptors.raiseLimit(upTo: 8192)
        let run = try RunDirectory.make()
        defer { run.remove() }
        // The first loop of a process opens two descriptors for signals that libuv never closes.
        try Loop().close()
        let descriptors = OpenDescriptors.count
        let engine = try Engine(settings, run: run, clock: RunClock(start: LibUV.monotonicTime))
        show(engine)
        try prepare(engine)
        try engine.execute()
        progress.end()
        var judge = Judge(faults: engine.faults)
        for one in engine.cases { judge.judge(one) }
        var violations = judge.violations
        violations.take(engine.early)
        Remains.check(run, descriptorsBefore: descriptors, into: &violations)
        let lagBound = RunClock.microseconds(settings.lagBound)
        if engine.lag.longest > lagBound {
            violations.add(
                .blockedLoop, "for \(engine.lag.longest / 1000) ms, the bound is \(lagBound / 1000) ms (--lag-bound)")
        }
        var result = RunResult(scenario: scenario, seed: settings.seed, replay: Runner.replay(seed: settings.seed))
        fill(&result, from: engine)
        result.judged = judge.counts
        conclude(engine, &result, &violations)
        result.take(violations)
        return result
    }

    private func show(_ engine: Engine) {
        let total = Double(RunClock.microseconds(settings.duration)) / 1e6
        engine.series.onSample = { [progress] sample in
            let tally = engine.tally
            let p50 = Texts.time(Double(tally.latency.valueAtPercentile(50)) / 1000)
            let p99 = Texts.time(Double(tally.latency.valueAtPercentile(99)) / 1000)
            progress.show(
                sample.time, of: total,
                "\(Texts.count(tally.written)) written, \(tally.refused) refused, \(tally.unknown) unknown, "
                    + "p50 \(p50), p99 \(p99), lag \(Texts.time(sample.lag)), \(engine.faults.count) faults")
        }
    }

    private func fill(_ result: inout RunResult, from engine: Engine) {
        result.seconds = engine.loadSeconds
        result.sessions = settings.sessions
        result.writers = settings.writers
        result.keeperStarts = engine.sessions.reduce(0) { $0 + $1.lives.count }
        result.lines = RunResult.Lines(engine.cases.flatMap(\.ledgers)) { _ in }
        result.latency = RunResult.Percentiles(engine.tally.latency)
        result.lag = RunResult.Percentiles(engine.lag.histogram)
        result.latencyHistogram = HistogramFile.encode(engine.tally.latency)
        result.lagHistogram = HistogramFile.encode(engine.lag.histogram)
        var starts = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        for time in engine.sessions.flatMap(\.startTimes) { starts.record(max(1, time)) }
        result.start = RunResult.Percentiles(starts)
        result.lagBound = Double(RunClock.microseconds(settings.lagBound)) / 1000
        result.samples = engine.series.samples
        result.memoryPerKeeper = engine.series.samples.last { !$0.keepers.isEmpty }?.keepers ?? []
        result.faults = engine.faults.map { RunResult.Fault($0) }
        result.notes = engine.notes
    }
}

extension RunResult.Lines {
    /// Counts every line of these ledgers, and shows each entry to `look`.
    init(_ ledgers: [Ledger], _ look: (Ledger.Entry) -> Void) {
        for ledger in ledgers {
            sent += ledger.count
            for sequence in 0..<ledger.count {
                let entry = ledger[sequence]
                look(entry)
                switch entry.outcome {
                case .written:
                    written += 1
                    bytes += entry.byteCount
                case .refused: refused += 1
                case .unknown: unknown += 1
                case .none, .pending: break
                }
            }
        }
    }
}

extension RunResult.Fault {
    init(_ record: FaultRecord) {
        self.init(
            kind: record.kind.rawValue, session: record.session, start: Double(record.start) / 1e6,
            end: record.end.map { Double($0) / 1e6 }, note: record.note)
    }
}

extension RunResult.Percentiles {
    /// Of a histogram in microseconds.
    init(_ histogram: Histogram<UInt64>) {
        guard histogram.totalCount > 0 else { return }
        p50 = Double(histogram.valueAtPercentile(50)) / 1000
        p90 = Double(histogram.valueAtPercentile(90)) / 1000
        p99 = Double(histogram.valueAtPercentile(99)) / 1000
        p999 = Double(histogram.valueAtPercentile(99.9)) / 1000
        max = Double(histogram.max) / 1000
    }
}

extension RunResult {
    mutating func take(_ violations: Violations) {
        for (kind, count) in violations.counts { self.violations[kind.rawValue, default: 0] += count }
        told += violations.told
    }
}
