import Histogram
import UVKeeper

/// Runs one scenario on an engine and puts together what it found.
final class Runner {
    let scenario: String
    let settings: LoadSettings
    let progress: Progress
    /// Adds the scenario's own part to an engine that is about to run.
    var prepare: (Engine) throws -> Void = { _ in }
    /// Adds the scenario's own findings after the run.
    var conclude: (Engine, inout RunResult, inout Violations) -> Void = { _, _, _ in }

    init(_ scenario: String, _ settings: LoadSettings, quiet: Bool) {
        self.scenario = scenario
        self.settings = settings
        progress = Progress(isQuiet: quiet)
    }

    /// Returns the command line that was given, with its seed.
    static func replay(seed: UInt64) -> String {
        let arguments = CommandLine.arguments.dropFirst().joined(separator: " ")
        return "uvkeeper-stress \(arguments)" + (arguments.contains("--seed") ? "" : " --seed \(seed)")
    }

    func run() throws -> RunResult {
        try? DescriptorLimit.raise(upTo: 8192)
        let run = try RunDirectory.make()
        defer { run.remove() }
        // The first loop of a process opens two descriptors for signals that libuv never closes.
        try Loop().close()
        let descriptors = OpenDescriptors.count
        let engine = try Engine(settings, run: run, clock: RunClock(start: SystemClock.monotonicTime))
        show(engine)
        try prepare(engine)
        try engine.execute()
        progress.end()
        engine.faults.sort { $0.start < $1.start }
        var judge = Judge(faults: engine.faults)
        let cases = engine.cases
        for one in cases { judge.judge(one) }
        var violations = judge.violations
        violations.take(engine.early)
        Remains.check(run, descriptorsBefore: descriptors, into: &violations)
        Remains.checkChildren(into: &violations)
        violations.check(engine.sampler.lag, bound: settings.lagBound, of: "the loop")
        if let server = engine.server {
            violations.check(server.lag, bound: settings.lagBound, of: "the loop of a driven server")
        }
        var result = RunResult(scenario, engine.settings, cases, judge)
        fill(&result, from: engine)
        conclude(engine, &result, &violations)
        result.take(violations)
        return result
    }

    private func show(_ engine: Engine) {
        let total = Double(RunClock.microseconds(settings.duration)) / 1e6
        engine.series.onSample = { [progress, unowned engine] sample in
            progress.show(
                sample.time, of: total,
                "\(Texts.count(Int(engine.series.rate))) lines/s, \(engine.tally.outcomes), "
                    + "\(engine.missing) not arrived, \(engine.tally.latencies), lag \(Texts.time(sample.lag)), "
                    + "\(engine.faults.count) faults"
            )
        }
    }

    private func fill(_ result: inout RunResult, from engine: Engine) {
        result.seconds = engine.loadSeconds
        result.lag = RunResult.Percentiles(engine.sampler.lag.histogram)
        result.lagHistogram = HistogramFile.encode(engine.sampler.lag.histogram)
        var starts = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        for time in engine.sessions.flatMap(\.startTimes) { starts.record(max(1, time)) }
        result.start = RunResult.Percentiles(starts)
        result.samples = engine.series.samples
        result.memoryPerKeeper = engine.series.samples.last { !$0.keepers.isEmpty }?.keepers ?? []
        result.notes = engine.notes
        result.incomplete = result.incomplete ?? engine.endedEarly
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
                case .overflowed: overflowed += 1
                case .handedOver: handedOver += 1
                case .unknown, .none, .pending: unknown += 1
                }
            }
        }
    }
}

extension RunResult.Fault {
    init(_ record: FaultRecord) {
        self.init(
            kind: record.kind.rawValue, session: record.session, start: Double(record.start) / 1e6,
            end: record.end.map { Double($0) / 1e6 }, note: record.note, failed: record.hasFailed,
            excused: record.excused)
    }
}

extension RunResult.FailedStart {
    init(_ start: Judge.JudgedStart) {
        self.init(
            session: start.session, start: Double(start.failure.begin) / 1e6, end: Double(start.failure.end) / 1e6,
            error: start.failure.text, explainedBy: start.fault?.kind.rawValue)
    }
}

extension RunResult.Percentiles {
    /// Creates the percentiles of a histogram in microseconds.
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
