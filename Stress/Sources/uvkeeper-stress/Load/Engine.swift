import Histogram
import UVKeeper

/// A run: a loop, a manager, sessions with their writers, samplers, and the judgement at the end.
final class Engine {
    enum Phase { case starting, running, draining, ending, done }

    enum Role {
        /// The engine starts its sessions and ends them with the run.
        case whole
        /// The engine is one of several servers in turn: the sessions outlive it and may be older than it.
        case server(Vitals)
        /// The engine is such a server beside a harness that starts the sessions.
        case guest(Vitals)

        var vitals: Vitals? {
            switch self {
            case .whole: nil
            case .server(let vitals), .guest(let vitals): vitals
            }
        }
    }

    static let pumpInterval = Duration.milliseconds(1)

    let settings: LoadSettings
    let run: RunDirectory
    let clock: RunClock
    let loop: Loop
    let manager: KeeperManager
    let discoveries: Discoveries
    private(set) var sessions: [Session] = []
    private(set) var phase = Phase.starting
    var tally = Tally()
    var faults: [FaultRecord] = []
    var notes: [String] = []
    var early = Violations()
    let sampler: LagSampler
    private(set) var series: Series!
    /// Called when the load starts and when it ends.
    var onStart: (() -> Void)?
    var onEnd: (() -> Void)?
    let role: Role
    /// The server in another process that writes to the sessions as well.
    var server: DrivenServer?
    /// The sessions of waves, which are only judged.
    var waves: [Session] = []
    private var starvation: StarvationWatch?
    /// True if keepers that end are started again, since faults end them.
    var restartsKeepers = false
    /// Returns true if the load continues although its time is over.
    var isWaiting: (() -> Bool)?
    /// Handles that are closed with the run's own.
    var others: [Handle] = []
    private let pump: TimerHandle
    private let supervisor: TimerHandle
    private var signals: StopSignals?
    /// The reason why the run ended early.
    private(set) var endedEarly: String?
    /// The time when this process began; a server may do so late in the run.
    private let begun: UInt64
    private var loadStart: UInt64 = 0
    private var loadEnd: UInt64 = 0
    private var drainDeadline: UInt64 = 0

    /// - Parameter sidecar: the command that starts keepers; nil: this program, or its faulty one.
    init(
        _ settings: LoadSettings, run: RunDirectory, clock: RunClock, role: Role = .whole,
        sidecar: SidecarCommand? = nil,
    ) throws {
        self.settings = settings
        self.run = run
        self.clock = clock
        self.role = role
        begun = clock.microseconds
        loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = run.sessions
        options.sidecar = try sidecar ?? settings.keeperFault.sidecar
        if role.vitals != nil { options.writer = Engine.serverName }
        manager = try KeeperManager(on: loop, options: options)
        discoveries = Discoveries(manager)
        sampler = LagSampler(on: loop)
        pump = TimerHandle(on: loop)
        supervisor = TimerHandle(on: loop)
        try Files.makeDirectory(at: run.sessions)
        for index in 0..<settings.sessions {
            sessions.append(try Session(index, in: run, manager: manager, settings: settings, clock: clock))
        }
        if case .server = role { keepFailedStarts() }
        series = Series(on: loop) { [unowned self] in sample(measuringKeepers: $0) }
        watchLoop()
    }

    /// Seconds since the start of the run.
    var seconds: Double { Double(clock.microseconds) / 1_000_000 }

    /// The duration of the load, in seconds.
    var loadSeconds: Double { Double(loadEnd - min(loadStart, loadEnd)) / 1_000_000 }

    /// Runs everything; returns when every handle is closed.
    func execute() throws {
        if role.vitals == nil { starvation = try watchProcesses() }
        // The harness handles signals from the keyboard or the end of its terminal; a server heeds only SIGTERM.
        signals = try role.vitals == nil ? StopSignals(on: loop) : StopSignals(on: loop, heeding: [.terminate])
        let go = { [unowned self] in
            supervisor.start(after: .milliseconds(20), repeating: .milliseconds(20)) { [unowned self] _ in supervise() }
        }
        switch role {
        case .whole: go()
        case .server, .guest: adopt(go)
        }
        loop.run()
        (onStart, onEnd, isWaiting) = (nil, nil, nil)
        Remains.close(loop, into: &early)
    }

    /// Takes over the sessions that another server has left.
    private func adopt(_ completion: @escaping () -> Void) {
        manager.discoverExistingKeepers { [self] result in
            completion()
            switch (result, role) {
            case (.failure(let error), _):
                early.add(.discovery, "of a server that starts: \(error)")
                drain()
            case (.success(let discovery), .server):
                for entry in discovery.keepers { adopt(entry) }
            case (.success, .guest), (.success, .whole): break
            }
        }
    }

    private func adopt(_ entry: KeeperEntry) {
        guard let session = sessions.first(where: { $0.id == entry.session.rawValue }) else { return }
        do {
            try session.adopt(keeperPID: entry.keeperPID ?? 0)
        } catch {
            early.add(.discovery, "session \(session.index) cannot be taken over: \(error)")
            drain()
        }
    }

    private func supervise() {
        if phase == .starting || phase == .running, let reason = signals?.reasonToEnd(run) {
            endedEarly = reason
            return drain()
        }
        for session in sessions { session.readers?.tend() }
        switch phase {
        case .starting:
            if case .guest = role { return begin() }
            for session in sessions { session.startIfNeeded() }
            if sessions.allSatisfy({ $0.current != nil }) { return begin() }
            if clock.microseconds > begun + 60_000_000 {
                early.add(
                    .recovery,
                    "keepers did not start within 60 s: \(sessions.flatMap(\.failedStarts).prefix(3).map(\.text))")
                drain()
            }
        case .running:
            if restartsKeepers { for session in sessions { session.startIfNeeded() } }
            let isOver =
                clock.microseconds >= loadStart + RunClock.microseconds(settings.duration) && isWaiting?() != true
            let isFull = allWriters.contains { $0.ledger.isFull }
            if isOver || isDone || isFull { drain() }
        case .draining: drained()
        case .ending: endedIfKnown()
        case .done: break
        }
    }

    var allWriters: [Writer] { sessions.flatMap(\.writers) }

    private func begin() {
        do {
            for session in sessions { try addWriters(to: session) }
        } catch {
            early.add(.recovery, "no writers: \(error)")
            return drain()
        }
        phase = .running
        loadStart = clock.microseconds
        let rate = settings.rate.map { $0 / Double(settings.sessions * settings.writers) }
        pump.start(after: Engine.pumpInterval, repeating: Engine.pumpInterval) { [unowned self] _ in
            for session in sessions {
                for writer in session.writers { writer.pump(startedAt: loadStart, perWriterRate: rate) }
            }
        }
        onStart?()
    }

    /// The memory of a faulty server.
    var leaked: [[UInt8]] = []
    /// The senders of a server with a journal.
    var senders: [JournaledSender] = []

    /// Stops the load, and waits for the lines under way.
    func drain() {
        guard phase == .starting || phase == .running else { return }
        phase = .draining
        loadEnd = clock.microseconds
        drainDeadline = clock.microseconds + RunClock.microseconds(settings.drainLimit)
        for writer in allWriters { writer.stop() }
        pump.stop()
        onEnd?()
    }

    private var lastMissing = Int.max
    private var lastProgress: UInt64 = 0
    private var lastComparison: UInt64 = 0
    /// True if the lines still awaited at the deadline have been noted.
    private var isTooLate = false

    private func drained() {
        if restartsKeepers { for session in sessions { session.startIfNeeded() } }
        let outstanding = allWriters.reduce(0) { $0 + $1.outstanding } + extraOutstanding
        let isLate = clock.microseconds >= drainDeadline
        // A fault's signal at the last moment may not have reached its keeper yet.
        let isDrained =
            outstanding == 0 && (role.vitals != nil || sessions.allSatisfy { $0.current?.isCondemned == false })
        guard isDrained || isLate else { return }
        if !isDrained, !isTooLate { noteUndrained(outstanding) }
        isTooLate = isTooLate || !isDrained
        guard role.vitals == nil else { return closeAll() }
        // A server that has ended in order is gone already.
        try? server?.end(.kill)
        // The sampler stops first, since comparing takes a while, and is nothing that a server would do.
        sampler.stop()
        let now = clock.microseconds
        guard now > lastComparison + 100_000 else { return }
        lastComparison = now
        let missing = Judge.missing(cases, faults)
        if missing < lastMissing {
            lastMissing = missing
            lastProgress = now
        }
        guard missing == 0 || now > lastProgress + 1_500_000 else { return }
        end()
    }

    /// The number of operations under way of bursts and other extra clients.
    var extraOutstanding = 0

    private func end() {
        phase = .ending
        series.sample()
        endDeadline = clock.microseconds + RunClock.microseconds(settings.drainLimit)
        noteLosses { [self] in stopSessions() }
    }

    /// The number of sessions that were told to end, and have not; nil before that, and once all ends are known.
    var stopsLeft: Int?
    private(set) var endDeadline: UInt64 = 0

    func closeAll() {
        phase = .done
        for sender in senders { sender.close() }
        for session in sessions { session.readers?.close() }
        manager.close()
        sampler.close()
        starvation?.close()
        series.close()
        pump.close()
        supervisor.close()
        signals?.close()
        for handle in others { handle.close() }
    }
}
