import Histogram
import UVKeeper

/// Waves of keepers: start all, one line each, kill all, look what is left.
final class SpawnRun {
    private let settings: LoadSettings
    private let progress: Progress
    private let place: RunDirectory
    private let clock = RunClock(start: LibUV.monotonicTime)
    private let loop: Loop
    private let manager: KeeperManager
    private let lag: LagSampler
    private let timer: TimerHandle
    private let descriptors: Int
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
        try? Descriptors.raiseLimit(upTo: 8192)
        try Loop().close()
        descriptors = OpenDescriptors.count
        place = try RunDirectory.make()
        loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = place.sessions
        options.sidecar = try SidecarCommand.currentExecutable()
        manager = try KeeperManager(on: loop, options: options)
        lag = try LagSampler(on: loop)
        timer = try TimerHandle(on: loop)
        for index in 0..<settings.sessions {
            sessions.append(try Session(index, in: place, manager: manager, settings: settings, clock: clock))
        }
    }

    func run() throws -> RunResult {
        defer { place.remove() }
        startWave()
        loop.run()
        try loop.close()
        progress.end()
        let cases = sessions.map { Judge.Case(index: $0.index, lives: $0.lives, ledgers: [$0.burst]) }
        var judge = Judge(faults: faults)
        for one in cases { judge.judge(one) }
        violations.take(judge.violations)
        Remains.check(place, descriptorsBefore: descriptors, into: &violations)
        if lag.longest > RunClock.microseconds(settings.lagBound) {
            violations.add(.blockedLoop, "for \(lag.longest / 1000) ms (--lag-bound)")
        }
        return result(cases, judge)
    }

    private func result(_ cases: [Judge.Case], _ judge: Judge) -> RunResult {
        var result = RunResult(scenario: "spawn", seed: settings.seed, replay: Runner.replay(seed: settings.seed))
        var latency = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        result.lines = RunResult.Lines(cases.flatMap(\.ledgers)) { entry in
            if entry.outcome == .written { latency.record(max(1, min(600_000_000, entry.latency))) }
        }
        var starts = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        for time in sessions.flatMap(\.startTimes) { starts.record(max(1, time)) }
        result.seconds = Double(clock.microseconds) / 1e6
        result.sessions = settings.sessions
        result.keeperStarts = sessions.reduce(0) { $0 + $1.lives.count }
        result.judged = judge.counts
        result.latency = RunResult.Percentiles(latency)
        result.lag = RunResult.Percentiles(lag.histogram)
        result.start = RunResult.Percentiles(starts)
        // The histogram of this scenario is that of the starts.
        result.latencyHistogram = HistogramFile.encode(starts)
        result.lagHistogram = HistogramFile.encode(lag.histogram)
        result.lagBound = Double(RunClock.microseconds(settings.lagBound)) / 1000
        result.memoryPerKeeper = memory
        result.faults = faults.map { RunResult.Fault($0) }
        result.notes = ["\(waves) waves of \(settings.sessions)"]
        result.take(violations)
        return result
    }

    private func startWave() {
        waves += 1
        progress.show(
            Double(clock.microseconds) / 1e6, of: Double(RunClock.microseconds(settings.duration)) / 1e6,
            "wave \(waves)")
        for session in sessions { session.startIfNeeded() }
        wait("keepers accept") { [self] in
            for session in sessions { session.startIfNeeded() }
            return sessions.allSatisfy { $0.current != nil }
        } then: { [self] in
            writeLines()
        }
    }

    private func writeLines() {
        var left = sessions.count
        for session in sessions {
            let sequence = session.burst.begin(byteCount: LineFormat.minimumByteCount)
            let line = LineFormat(
                kind: LineFormat.Kind.unordered, writer: 0, sequence: sequence, byteCount: LineFormat.minimumByteCount)
            let begun = clock.microseconds
            manager.writeRPC(line.bytes(), to: session.id) { [self] outcome in
                let now = clock.microseconds
                session.burst.complete(sequence, Ledger.Outcome(outcome), latency: now - begun, time: now)
                left -= 1
            }
        }
        wait("lines arrive") { [self] in
            left == 0 && sessions.allSatisfy { $0.lives.last?.receipts[.lines] ?? 0 > 0 }
        } then: { [self] in
            killWave()
        }
    }

    private func killWave() {
        let lives = sessions.compactMap { $0.lives.last }
        memory = lives.compactMap { Memory.of($0.keeperPID) }
        for (session, life) in zip(sessions, lives) {
            if generator.next() & 1 == 0 {
                let record = FaultRecord(
                    .keeperKilled, session: session.index, life: session.lives.count - 1, start: clock.microseconds)
                record.end = record.start
                faults.append(record)
                try? Processes.send(.kill, to: life.keeperPID)
            } else if !manager.killKeeper(for: session.id) {
                violations.add(.recovery, "keeper \(life.keeperPID) could not be told to end")
            }
        }
        wait("processes end") {
            lives.allSatisfy {
                Processes.liveness(of: $0.keeperPID) == .gone && Processes.liveness(of: $0.childPID) == .gone
            }
        } then: { [self] in
            manager.discoverExistingKeepers { [self] _ in
                let left = place.leftovers()
                violations.add(.fileLeft, count: left.count, "after wave \(waves): \(left.prefix(4))")
                if clock.microseconds < RunClock.microseconds(settings.duration) { startWave() } else { end() }
            }
        }
    }

    /// Looks every five milliseconds; after 20 s the wave is given up.
    private func wait(_ what: String, _ condition: @escaping () -> Bool, then next: @escaping () -> Void) {
        let deadline = LibUV.monotonicTime + .seconds(20)
        timer.start(after: .milliseconds(5), repeating: .milliseconds(5)) { [self] timer in
            if condition() {
                timer.stop()
                next()
            } else if LibUV.monotonicTime > deadline {
                timer.stop()
                violations.add(.recovery, "wave \(waves), not within 20 s: \(what)")
                end()
            }
        }
    }

    private func end() {
        var left = sessions.count
        for session in sessions {
            manager.stopKeeper(for: session.id) { [self] _ in
                left -= 1
                guard left == 0 else { return }
                manager.close()
                lag.close()
                timer.close()
            }
        }
    }
}
