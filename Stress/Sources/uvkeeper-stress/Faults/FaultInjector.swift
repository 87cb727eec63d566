import UVKeeper

/// Injects faults in sessions, files and this process by a schedule drawn from a seed, and undoes each after a while.
final class FaultInjector {
    /// A planned fault.
    struct Planned: Equatable {
        let kind: FaultRecord.Kind
        let time: Duration
        let session: Int
        let duration: Duration
        /// A random number for further choices of the fault.
        let number: UInt64
    }

    /// The kinds that can be injected on this system.
    static let kinds = FaultRecord.Kind.allCases.filter {
        $0 != .machineStalled && (($0 != .keeperExhausted && $0 != .diskFull) || DescriptorHoard.reachesOthers)
    }

    let engine: Engine
    let onFault: (FaultRecord) -> Void
    private let plan: [Planned]
    private var next = 0
    private let timer: TimerHandle
    /// The faults under way, and the way to end each.
    private var active: [ObjectIdentifier: (record: FaultRecord, timer: TimerHandle, undo: () -> Void)] = [:]
    /// Faults that are due, but not possible yet.
    private var deferred: [Planned] = []
    /// The number of running waves, whose keepers are their own.
    var runningWaves = 0
    /// The clients of the channel that are not done, by their fault.
    var fickle: [ObjectIdentifier: FickleClient] = [:]
    /// The number of running races; all of them use one file of orders.
    var runningRaces = 0

    init(_ engine: Engine, plan: [Planned], onFault: @escaping (FaultRecord) -> Void) {
        self.engine = engine
        self.plan = plan
        self.onFault = onFault
        timer = TimerHandle(on: engine.loop)
    }

    /// Draws a plan, the same for the same seed: the kinds come in turn in a drawn order, so that none is left out by
    /// chance.
    static func plan(
        seed: UInt64, kinds: [FaultRecord.Kind], sessions: Int, duration: Duration, interval: Duration,
    ) -> [Planned] {
        var generator = SeededGenerator(seed: seed ^ 0xFA17)
        var plan: [Planned] = []
        var bag: [FaultRecord.Kind] = []
        // The first lines pass in peace, and the last fault has time to show.
        var time = Duration.milliseconds(300)
        while time < duration - .milliseconds(200) {
            if bag.isEmpty { bag = kinds.shuffled(using: &generator) }
            plan.append(
                Planned(
                    kind: bag.removeLast(), time: time, session: Int(generator.next() % UInt64(sessions)),
                    duration: .milliseconds(50 + Int(generator.fraction() * generator.fraction() * 1800)),
                    number: generator.next()))
            time += interval * (0.3 + 1.4 * generator.fraction())
        }
        return plan
    }

    func start() {
        startServer()
        let begun = SystemClock.monotonicTime
        timer.start(after: .milliseconds(5), repeating: .milliseconds(5)) { [unowned self] _ in
            while next < plan.count, begun + plan[next].time <= SystemClock.monotonicTime {
                next += 1
                deferred.append(plan[next - 1])
            }
            deferred = deferred.filter { !inject($0) }
        }
    }

    /// The number of planned faults that were not tried.
    var skipped: Int { deferred.count + plan.count - next }

    /// Ends every fault under way.
    func finish() {
        timer.close()
        for id in Array(active.keys) { end(id) }
        endServer()
    }

    /// Injects a fault; returns false if that is not possible now.
    private func inject(_ planned: Planned) -> Bool {
        let session = engine.sessions[planned.session]
        // A session has one fault at a time: otherwise it would be unclear which one explains a result.
        guard let life = session.current, life.childPID > 0,
            !active.values.contains(where: { $0.record.session == session.index }), isPossible(planned.kind)
        else { return false }
        switch planned.kind {
        case .keeperKilled: endKeeper(planned, session, life, by: .kill)
        case .keeperToldToEnd: endKeeper(planned, session, life, by: .terminate)
        case .childKilled: killChild(session, life)
        case .keeperStopped: stop(life.keeperPID, planned, session, .keeperStopped)
        case .childStopped: stop(life.childPID, planned, session, .childStopped)
        case .slowReader: slowDown(planned, session, life)
        case .socketRemoved: hideSockets(planned, session, life, replacing: false)
        case .socketReplaced: hideSockets(planned, session, life, replacing: true)
        case .pidFileGarbled: garblePIDFiles(planned, session)
        case .staleFiles: litter(planned)
        case .backlogOverflow: overflowBacklog(planned, session, life)
        case .descriptorsExhausted: exhaustDescriptors(planned)
        case .keeperExhausted: exhaustKeeper(planned, session, life)
        case .clientDisconnected: disconnect(planned, session, life)
        case .serverKilled: killServer()
        case .spawnWave: startWave(planned)
        case .discoveryRace: startRace(planned)
        case .unfinishedLine: sendUnfinished(planned, session)
        case .readerPaused: pauseReaders(planned, session)
        case .readerFrozen: freezeReader(planned, session)
        case .readerCut: cutReader(planned, session)
        case .diskFull: fillDisk(planned, session, life)
        case .childFloods: flood(planned, session, life)
        case .channelCut: sendFickle(planned, session, life, .cut)
        case .writerReplaced: sendFickle(planned, session, life, .replace)
        case .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill: stopWhileEnding(planned)
        case .machineStalled: break
        }
        return true
    }

    private func isPossible(_ kind: FaultRecord.Kind) -> Bool {
        switch kind {
        // A server that has not written yet has nothing under way.
        case .serverKilled: engine.server?.progress?.isWriting == true
        // A second hoard would take the first one's limit for the usual one; a wave needs descriptors to look at its
        // remains.
        case .descriptorsExhausted: !isActive(.descriptorsExhausted) && runningWaves == 0
        case .spawnWave, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill:
            !isActive(.descriptorsExhausted)
        case .discoveryRace: !isActive(.descriptorsExhausted) && runningRaces == 0
        default: true
        }
    }

    /// True if sessions that have ended are started again.
    var isGoingOn: Bool { engine.phase == .running || engine.phase == .draining }

    func isActive(_ kind: FaultRecord.Kind) -> Bool { active.values.contains { $0.record.kind == kind } }

    /// Records a fault that begins now.
    @discardableResult
    func begin(_ kind: FaultRecord.Kind, _ session: Session?, life: Int? = nil, note: String = "") -> FaultRecord {
        let record = FaultRecord(
            kind, session: session?.index, life: life, start: engine.clock.microseconds, note: note)
        engine.faults.append(record)
        onFault(record)
        return record
    }

    /// Ends a fault after a time, or when the run ends. `undo` may prolong it by another call, without a gap in which
    /// another fault would begin.
    func end(_ record: FaultRecord, after duration: Duration, undo: @escaping () -> Void) {
        let timer = TimerHandle(on: engine.loop)
        let id = ObjectIdentifier(record)
        active[id] = (record, timer, undo)
        timer.start(after: duration) { [unowned self] _ in end(id) }
    }

    private func end(_ id: ObjectIdentifier) {
        guard let fault = active.removeValue(forKey: id) else { return }
        fault.timer.close()
        fault.undo()
        // The fault may have been prolonged.
        if active[id] == nil { fault.record.end = engine.clock.microseconds }
    }
}
