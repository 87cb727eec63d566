import Histogram
import UVKeeper

/// Starts a server, kills it while it writes, starts it again; then compares what all of them were told with what arrived.
final class RestartRun {
    private let settings: LoadSettings
    private let serverOptions: [String]
    private let interval: Duration
    private let progress: Progress
    private var generator: SeededGenerator
    private var violations = Violations()
    private var faults: [FaultRecord] = []
    private var notes: [String] = []
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
        let clock = RunClock(start: LibUV.monotonicTime)
        var result = RunResult(scenario: "restart", seed: settings.seed, replay: Runner.replay(seed: settings.seed))
        try Files.makeDirectory(at: run.sessions)
        let loop = try Loop()
        // In a scope of its own: ledgers and receipts hold no descriptors, everything else is closed in it.
        try drive(run, clock, loop)
        let cases = try self.cases(run)
        try settle(cases, loop)
        try stopSessions(run, loop)
        try loop.close()
        progress.end()
        var judge = Judge(faults: faults)
        for one in cases { judge.judge(one) }
        violations.take(judge.violations)
        Remains.check(run, descriptorsBefore: descriptors, into: &violations)
        var latency = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        result.lines = RunResult.Lines(cases.flatMap(\.ledgers)) { entry in
            if entry.outcome == .written { latency.record(max(1, min(600_000_000, entry.latency))) }
        }
        result.latency = RunResult.Percentiles(latency)
        result.latencyHistogram = HistogramFile.encode(latency)
        result.lagHistogram = HistogramFile.encode(Histogram<UInt64>(highestTrackableValue: 600_000_000))
        result.seconds = Double(RunClock.microseconds(settings.duration)) / 1e6
        result.sessions = settings.sessions
        result.writers = settings.writers
        result.keeperStarts = cases.reduce(0) { $0 + $1.lives.count }
        result.lagBound = Double(RunClock.microseconds(settings.lagBound)) / 1000
        result.judged = judge.counts
        result.faults = faults.map { RunResult.Fault($0) }
        result.notes =
            notes + [
                "\(faults.count) servers killed; from start to first line: "
                    + Texts.percentiles(RunResult.Percentiles(recovery))
            ]
        result.take(violations)
        return result
    }

    private func cases(_ run: RunDirectory) throws -> [Judge.Case] {
        try (0..<settings.sessions).map { index in
            let lives = try run.lives(session: index).map { number in
                let receipts = try Receipts(run.receipts(session: index, life: number), writers: settings.writers + 1)
                return Session.Life(receipts, keeper: nil, keeperPID: 0, readyAt: 0)
            }
            let ledgers = try (0...settings.writers).map { try Ledger(run.ledger(session: index, writer: $0)) }
            return Judge.Case(index: index, lives: lives, ledgers: ledgers)
        }
    }

    /// Servers in turn until the time is over; the last one ends in order.
    private func drive(_ run: RunDirectory, _ clock: RunClock, _ loop: Loop) throws {
        let ledgers = try cases(run).flatMap(\.ledgers)
        let total = { ledgers.reduce(0) { $0 + $1.count } }
        let timer = try TimerHandle(on: loop)
        let end = RunClock.microseconds(settings.duration)
        var isOver = false
        while !isOver {
            let before = total()
            let begun = clock.microseconds
            var status: ProcessExit?
            let server = try startServer(run, clock, loop) { status = $0 }
            var writingSince: UInt64?
            let life = RunClock.microseconds(interval * (0.3 + 1.4 * generator.fraction()))
            var isEnding = false
            timer.start(after: .milliseconds(2), repeating: .milliseconds(2)) { [self] _ in
                let now = clock.microseconds
                if writingSince == nil, total() > before {
                    writingSince = now
                    recovery.record(max(1, now - begun))
                    faults.last?.end = now
                }
                let seconds = Double(now) / 1e6
                progress.show(
                    seconds, of: Double(end) / 1e6, "\(Texts.count(total())) lines sent, \(faults.count) servers killed"
                )
                guard !isEnding else { return }
                if writingSince == nil, now > begun + 30_000_000 {
                    violations.add(.recovery, "a server did not write within 30 s")
                    isEnding = true
                    isOver = true
                    try? server.kill(.kill)
                } else if let since = writingSince, now > end {
                    _ = since
                    isEnding = true
                    isOver = true
                    try? server.kill(.terminate)
                } else if let since = writingSince, now > since + life {
                    isEnding = true
                    faults.append(FaultRecord(.serverKilled, session: nil, start: now, note: "\(server.pid)"))
                    try? server.kill(.kill)
                }
            }
            while status == nil { loop.run(.once) }
            timer.stop()
            if isOver {
                faults.last?.end = faults.last?.end ?? clock.microseconds
                if status != .exited(code: 0) { notes.append("the last server ended with \(status ?? .unknown)") }
            } else if !isEnding {
                violations.add(.recovery, "a server ended by itself: \(status ?? .unknown)")
                isOver = true
            }
        }
        timer.close()
        loop.run()
    }

    private func startServer(
        _ run: RunDirectory, _ clock: RunClock, _ loop: Loop, _ onExit: @escaping (ProcessExit) -> Void,
    ) throws -> ChildProcess {
        let configuration = ChildProcess.Configuration(
            executable: try LibUV.executablePath(),
            arguments: ["serve", "--directory", run.directory, "--start", "\(RunClock.microseconds(clock.start))"]
                + serverOptions,
            environment: run.environment, stdio: [.ignore, .ignore, .descriptor(2)])
        return try ChildProcess(configuration, on: loop) { _, status in onExit(status) }
    }

    /// Waits until everything written has arrived, or nothing more does.
    private func settle(_ cases: [Judge.Case], _ loop: Loop) throws {
        let timer = try TimerHandle(on: loop)
        var last = Int.max
        var lastProgress = LibUV.monotonicTime
        timer.start(after: .milliseconds(50), repeating: .milliseconds(100)) { timer in
            let missing = Judge.missing(cases)
            if missing < last { lastProgress = LibUV.monotonicTime }
            last = missing
            if missing == 0 || LibUV.monotonicTime - lastProgress > .seconds(2) { timer.close() }
        }
        loop.run()
    }

    private func stopSessions(_ run: RunDirectory, _ loop: Loop) throws {
        var options = KeeperManager.Options()
        options.sessionsDirectory = run.sessions
        let manager = try KeeperManager(on: loop, options: options)
        for index in 0..<settings.sessions { manager.stopKeeper(for: "s\(index)") { _ in } }
        loop.run()
        manager.close()
        loop.run()
    }
}
