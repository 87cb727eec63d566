import UVKeeper

/// A server in another process that writes to the sessions of a run, to be killed and started again.
///
/// The outcomes of its lines, and its vitals, are in files, so none of that dies with it.
final class DrivenServer {
    private enum State {
        case idle
        case running(ChildProcess, since: UInt64, sentBefore: Int)
        case ending(ChildProcess, by: Signal)
    }

    /// The longest time from a server's start to its first line, in microseconds.
    static let startLimit: UInt64 = 30_000_000

    let vitals: Vitals
    /// The lag of all servers so far.
    private(set) var lag = LoopLag()
    private let configuration: ChildProcess.Configuration
    private let ledgers: [Ledger]
    private let linesPerWriter: Int?
    private var reader: LedgerReader
    private let clock: RunClock
    private let loop: Loop
    private var state = State.idle

    /// - Parameters:
    ///   - ledgers: the ledgers of its writers.
    ///   - options: the options of its load, as `serve` takes them.
    ///   - linesPerWriter: the number in these options; nil if they have none.
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

    /// Starts the server. `onExit` runs when it has ended, with the signal that first told it to; nil if none did.
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

    /// Tells the server to end: at once, or in order after its lines under way.
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

    /// The lines of all servers so far.
    var sent: Int { ledgers.reduce(0) { $0 + $1.count } }

    /// True if the server has no lines left to send, and another one would have none to send again.
    var isSpent: Bool {
        guard let linesPerWriter else { return false }
        return ledgers.allSatisfy { $0.count >= linesPerWriter } && reader.isSettled()
    }

    /// The server's age in microseconds, and true if it has sent a line; nil while none runs.
    var progress: (age: UInt64, isWriting: Bool)? {
        guard case .running(_, let since, let before) = state else { return nil }
        return (clock.microseconds - since, sent > before)
    }

    /// Hands over the outcomes of its writers' lines since the last call.
    func takeLines(_ body: (Ledger.Entry) -> Void) { reader.take(body) }

    /// Reads its reports on its loop.
    func takeLag() -> UInt64 {
        vitals.takeTicks { lag.note($0) }
        takeSilence()
        return lag.takeRecent()
    }

    /// Notes a blocked loop, which reports only afterwards, and not at all if it is killed before.
    private func takeSilence() {
        // The tick is read before the clock, since the server goes on meanwhile.
        let tick = UInt64(vitals[.lastTick])
        guard case .running(_, let since, _) = state, tick > since else { return }
        lag.noteUnfinished(clock.microseconds - tick)
    }
}
