import Histogram
import UVKeeper

/// Starts a server, kills it while it writes, starts it again; then compares the reports to all of them with the lines
/// that arrived.
final class RestartRun {
    private let settings: LoadSettings
    private let serverOptions: [String]
    private let interval: Duration
    private let progress: Progress
    private var generator: SeededGenerator
    private var violations = Violations()
    private var faults: [FaultRecord] = []
    private var notes: [String] = []
    private var tally = Tally()
    /// The reason why the run ends early.
    private var endedEarly: String?
    private var recovery = Histogram<UInt64>(highestTrackableValue: 600_000_000)

    init(_ settings: LoadSettings, serverOptions: [String], interval: Duration, quiet: Bool) {
        self.settings = settings
        self.serverOptions = serverOptions
        self.interval = interval
        progress = Progress(isQuiet: quiet)
        generator = SeededGenerator(seed: settings.seed)
    }

    func run() throws -> RunResult {
        try Loop().close()
        let descriptors = OpenDescriptors.count
        let run = try RunDirectory.make()
        defer { run.remove() }
        let clock = RunClock(start: SystemClock.monotonicTime)
        try Files.makeDirectory(at: run.sessions)
        let loop = try Loop()
        let server = try DrivenServer(
            run, ledgers: try cases(run).flatMap(\.ledgers), options: serverOptions, clock: clock, on: loop)
        let series = Series(on: loop) { [self] in sample(run, clock, server, measuringKeepers: $0) }
        let watch = StarvationWatch(on: loop, clock: clock) { [self] in
            keepers(run).map { StarvationWatch.Watched(part: .session($0.session), pid: $0.pid) } + server.watched
        } onStarved: { [self] in
            faults.append($0)
        }
        series.onSample = { [self, unowned series] sample in
            progress.show(
                sample.time, of: Double(RunClock.microseconds(settings.duration)) / 1e6,
                "\(Texts.count(Int(series.rate))) lines/s, \(tally.outcomes), \(tally.latencies), "
                    + "lag \(Texts.time(sample.lag)), \(kills) servers killed"
            )
        }
        let signals = try StopSignals(on: loop)
        do { try drive(server, clock, loop) { signals.reasonToEnd(run) } } catch {
            // The keepers are ended all the same.
            violations.add(.recovery, "a server cannot be started: \(error)")
        }
        series.sample()
        series.close()
        watch.close()
        let cases = try self.cases(run)
        try settle(cases, loop)
        signals.close()
        try stopSessions(run, loop)
        Remains.close(loop, into: &violations)
        progress.end()
        faults.sort { $0.start < $1.start }
        var judge = Judge(faults: faults)
        for one in cases {
            judge.judge(one)
            if one.lives.allSatisfy(\.hasFailed) { violations.add(.recovery, "session \(one.index) had no keeper") }
        }
        violations.take(judge.violations)
        Remains.check(run, descriptorsBefore: descriptors, into: &violations)
        Remains.checkChildren(into: &violations)
        violations.check(server.lag, bound: settings.lagBound, of: "a server's loop")
        var result = RunResult("restart", settings, cases, judge)
        result.seconds = Double(RunClock.microseconds(settings.duration)) / 1e6
        result.lag = RunResult.Percentiles(server.lag.histogram)
        result.lagHistogram = HistogramFile.encode(server.lag.histogram)
        result.samples = series.samples
        result.memoryPerKeeper = series.samples.last { !$0.keepers.isEmpty }?.keepers ?? []
        result.notes =
            notes + [
                "\(kills) servers killed; from start to first line: "
                    + "\(RunResult.Percentiles(recovery))"
            ]
        result.incomplete = result.incomplete ?? endedEarly
        result.take(violations)
        return result
    }

    private var kills: Int { faults.reduce(0) { $0 + ($1.kind == .serverKilled ? 1 : 0) } }

    private func cases(_ run: RunDirectory) throws -> [Judge.Case] {
        try (0..<settings.sessions).map { index in
            let failed = try FailedStart.all(in: run.failedStarts(session: index))
            let lives = try run.lives(session: index).map { number in
                let receipts = try Receipts(run.receipts(session: index, life: number), writers: settings.allWriters)
                // A start that failed before there was a child leaves an empty file.
                return Life(
                    receipts, keeper: nil, keeperPID: 0,
                    hasFailed: receipts[.pid] == 0 || failed.contains { $0.life == number })
            }
            let ledgers = try (0..<settings.allWriters).map { try Ledger(run.ledger(session: index, writer: $0)) }
            return Judge.Case(
                index: index, lives: lives, ledgers: ledgers, driven: 0..<settings.writers, failedStarts: failed)
        }
    }

    /// Samples the running server, and the keepers, which no server owns.
    private func sample(
        _ run: RunDirectory, _ clock: RunClock, _ server: DrivenServer, measuringKeepers: Bool,
    ) -> Sample {
        server.takeLines { tally.note($0) }
        let lag = server.takeLag()
        return Sample(
            time: Double(clock.microseconds) / 1e6, lines: tally.written, bytes: tally.bytes, lag: Double(lag) / 1000,
            descriptors: server.pid.map { OpenDescriptors.count(of: $0) } ?? 0,
            handles: server.vitals[.handles],
            memory: server.pid.flatMap { ProcessDetails(of: $0)?.residentMemory } ?? 0,
            keepers: measuringKeepers ? keepers(run).compactMap { Memory.of($0.pid) } : [])
    }

    private func keepers(_ run: RunDirectory) -> [(session: Int, pid: Int32)] {
        (0..<settings.sessions).compactMap { index in
            guard let bytes = try? Files.read("\(run.sessions)/s\(index).rpc.sock.pid", limit: 64) else { return nil }
            return Int32(String(decoding: bytes, as: UTF8.self)).map { (index, $0) }
        }
    }

    /// Runs servers in turn until the time is over; the last one ends in order.
    ///
    /// - Parameter reasonToEnd: the reason to end early; nil if the servers may go on.
    private func drive(
        _ server: DrivenServer, _ clock: RunClock, _ loop: Loop, _ reasonToEnd: @escaping () -> String?,
    ) throws {
        let timer = TimerHandle(on: loop)
        defer { timer.close() }
        let end = RunClock.microseconds(settings.duration)
        var isOver = false
        while !isOver {
            var isEnded = false
            var writingSince: UInt64?
            let life = RunClock.microseconds(interval * (0.3 + 1.4 * generator.fraction()))
            try server.start { [self] status, told in
                isEnded = true
                if told == .kill {
                    return
                }
                isOver = true
                if told == nil {
                    violations.add(.recovery, "a server ended by itself: \(status)")
                } else if status != .exited(code: 0) {
                    violations.add(.recovery, "the last server ended with \(status)")
                }
            }
            timer.start(after: .milliseconds(2), repeating: .milliseconds(2)) { [self] _ in
                guard let (age, isWriting) = server.progress else { return }
                let now = clock.microseconds
                endedEarly = endedEarly ?? reasonToEnd()
                guard isWriting else {
                    if endedEarly != nil {
                        isOver = true
                        return tell(server, .kill)
                    }
                    guard age > DrivenServer.startLimit else { return }
                    violations.add(.recovery, "a server did not write within 30 s")
                    isOver = true
                    return tell(server, .kill)
                }
                if writingSince == nil {
                    writingSince = now
                    recovery.record(max(1, age))
                    if let kill = faults.last(where: { $0.kind == .serverKilled }) {
                        kill.end = now
                        kill.isFollowed = true
                    }
                }
                if now > end || endedEarly != nil {
                    tell(server, .terminate)
                } else if let writingSince, now > writingSince + life {
                    faults.append(
                        FaultRecord(.serverKilled, session: nil, start: now, note: "SIGKILL to \(server.pid ?? 0)"))
                    tell(server, .kill)
                }
            }
            while !isEnded { loop.run(.once) }
            timer.stop()
        }
    }

    private func tell(_ server: DrivenServer, _ signal: Signal) {
        do throws(UVError) { try server.end(signal) } catch {
            violations.add(.recovery, "a server cannot be ended: \(error)")
        }
    }

    /// Waits until all written lines have arrived, or no more do.
    private func settle(_ cases: [Judge.Case], _ loop: Loop) throws {
        let timer = TimerHandle(on: loop)
        var last = Int.max
        var lastProgress = SystemClock.monotonicTime
        timer.start(after: .milliseconds(50), repeating: .milliseconds(100)) { timer in
            let missing = Judge.missing(cases)
            if missing < last { lastProgress = SystemClock.monotonicTime }
            last = missing
            if missing == 0 || SystemClock.monotonicTime - lastProgress > .seconds(2) { timer.close() }
        }
        loop.run()
    }

    private func stopSessions(_ run: RunDirectory, _ loop: Loop) throws {
        var options = KeeperManager.Options()
        options.sessionsDirectory = run.sessions
        let manager = try KeeperManager(on: loop, options: options)
        for index in 0..<settings.sessions {
            manager.stop("s\(index)") { [self] result in
                if result != .stopped {
                    violations.add(.recovery, "at the end the keeper of session \(index) was \(result)")
                }
            }
        }
        loop.run()
        manager.close()
        loop.run()
    }
}
