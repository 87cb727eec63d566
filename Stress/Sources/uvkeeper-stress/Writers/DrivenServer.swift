import UVKeeper

/// A server in a process of its own that writes to the sessions of a run: to be killed, and started again.
///
/// What it was told about its lines, and its vitals, are in files, so nothing of that dies with it.
final class DrivenServer {
    private enum State {
        case idle
        case running(ChildProcess, since: UInt64, sentBefore: Int)
        case ending(ChildProcess, by: Signal)
    }

    /// In microseconds: how long a server may take from its start to its first line.
    static let startLimit: UInt64 = 30_000_000

    let vitals: Vitals
    /// Of all servers so far.
    private(set) var lag = LoopLag()
    private let configuration: ChildProcess.Configuration
    private let ledgers: [Ledger]
    private let linesPerWriter: Int?
    private var reader: LedgerReader
    private let clock: RunClock
    private let loop: Loop
    private var state = State.idle

    /// - Parameters:
    ///   - ledgers: of its writers.
    ///   - options: of its load, as `serve` takes them.
    ///   - linesPerWriter: nil if they say no number.
    init(
        _ run: RunDirectory, ledgers: [Ledger], options: [String], linesPerWriter: Int? = nil, clock: RunClock,
        on loop: Loop,
    ) throws {
        self.ledgers = ledgers
        self.linesPerWriter = linesPerWriter
        reader = LedgerReader(ledgers)
        self.clock = clock
        self.loop = loop
        vitals = try Vitals(run.vitals)
        configuration = ChildProcess.Configuration(
            executable: try CurrentProcess.executablePath(),
            arguments: [
                "serve", "--lifeline", "--directory", run.directory, "--start", "\(RunClock.microseconds(clock.start))",
            ] + options,
            environment: run.environment, stdio: [.pipe, .ignore, .descriptor(2)])
    }

    /// Starts it. `onExit` runs when it has ended, with the signal that first told it to; nil if none did.
    func start(_ onExit: @escaping (ProcessExit, _ told: Signal?) -> Void) throws {
        let process = try ChildProcess(configuration, on: loop) { [unowned self] process, status in
            process.streams[0]?.close()
            takeSilence()
            let told: Signal? = if case .ending(_, let signal) = state { signal } else { nil }
            state = .idle
            onExit(status, told)
        }
        state = .running(process, since: clock.microseconds, sentBefore: sent)
    }

    /// Tells it to end: at once, or in order after what it has under way.
    func end(_ signal: Signal) throws(UVError) {
        switch state {
        case .idle: return
        case .running(let process, _, _):
            takeSilence()
            state = .ending(process, by: signal)
            try process.kill(signal)
        case .ending(let process, _): try process.kill(signal)
        }
    }

    var pid: Int32? {
        switch state {
        case .idle: nil
        case .running(let process, _, _), .ending(let process, _): process.pid
        }
    }

    var watched: [StarvationWatch.Watched] {
        pid.map { [StarvationWatch.Watched(part: .drivenServer, pid: $0)] } ?? []
    }

    /// Lines of all servers so far.
    var sent: Int { ledgers.reduce(0) { $0 + $1.count } }

    /// Whether it has no lines left to send, nor would another one have any to send again.
    var isSpent: Bool {
        guard let linesPerWriter else { return false }
        return ledgers.allSatisfy { $0.count >= linesPerWriter } && reader.isSettled()
    }

    /// How long it has been running, in microseconds, and whether it has sent a line; nil while none runs.
    var progress: (age: UInt64, isWriting: Bool)? {
        guard case .running(_, let since, let before) = state else { return nil }
        return (clock.microseconds - since, sent > before)
    }

    /// Hands over what its writers have been told since the last call.
    func takeLines(_ body: (Ledger.Entry) -> Void) { reader.take(body) }

    /// Reads what it has told about its loop.
    func takeLag() -> UInt64 {
        vitals.takeTicks { lag.note($0) }
        takeSilence()
        return lag.takeRecent()
    }

    /// A loop that is blocked tells it only afterwards, and not at all if it is killed before.
    private func takeSilence() {
        // First the tick, then the clock: the server goes on meanwhile.
        let tick = UInt64(vitals[.lastTick])
        guard case .running(_, let since, _) = state, tick > since else { return }
        lag.noteUnfinished(clock.microseconds - tick)
    }
}
