import UVKeeper

/// Does to sessions, files and this process what a schedule drawn from a seed says, and undoes it after a while.
final class FaultInjector {
    /// What is to happen when, to whom, for how long.
    struct Planned: Equatable {
        let kind: FaultRecord.Kind
        let time: Duration
        let session: Int
        let duration: Duration
        /// For whatever the fault needs besides.
        let number: UInt64
    }

    /// All that can be injected here.
    static let kinds = FaultRecord.Kind.allCases.filter {
        $0 != .machineStalled && ($0 != .keeperExhausted || DescriptorHoard.reachesOthers)
    }

    let engine: Engine
    let onFault: (FaultRecord) -> Void
    private let plan: [Planned]
    private var next = 0
    private let timer: TimerHandle
    /// Faults under way, and how to end each.
    private var active: [ObjectIdentifier: (record: FaultRecord, timer: TimerHandle, undo: () -> Void)] = [:]
    /// Due, and not possible yet.
    private var deferred: [Planned] = []
    /// Of keepers of their own.
    var runningWaves = 0
    /// Clients of the channel that are not done, by their fault.
    var fickle: [ObjectIdentifier: FickleClient] = [:]
    /// The ones of those beside a discovery; all tell it in one file.
    var runningRaces = 0

    init(_ engine: Engine, plan: [Planned], onFault: @escaping (FaultRecord) -> Void) {
        self.engine = engine
        self.plan = plan
        self.onFault = onFault
        timer = TimerHandle(on: engine.loop)
    }

    /// The same plan for the same seed: every kind in turn in a drawn order, so that none is left out by chance.
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

    /// Faults that were planned and not tried.
    var skipped: Int { deferred.count + plan.count - next }

    /// Ends every fault under way.
    func finish() {
        timer.close()
        for id in Array(active.keys) { end(id) }
        endServer()
    }

    /// Whether it was possible.
    private func inject(_ planned: Planned) -> Bool {
        let session = engine.sessions[planned.session]
        // One at a time for a session, or it could not be told which one explains what.
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
        case .channelCut: sendFickle(planned, session, life, .cut)
        case .writerReplaced: sendFickle(planned, session, life, .replace)
        case .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill: stopWhileEnding(planned)
        case .machineStalled: break
        }
        return true
    }

    private func isPossible(_ kind: FaultRecord.Kind) -> Bool {
        switch kind {
        // One that has not written yet has nothing under way.
        case .serverKilled: engine.server?.progress?.isWriting == true
        // A second one would take the first one's limit for the usual one; a wave needs descriptors to look what is left.
        case .descriptorsExhausted: !isActive(.descriptorsExhausted) && runningWaves == 0
        case .spawnWave, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill:
            !isActive(.descriptorsExhausted)
        case .discoveryRace: !isActive(.descriptorsExhausted) && runningRaces == 0
        default: true
        }
    }

    /// Whether sessions that have ended are started again.
    var isGoingOn: Bool { engine.phase == .running || engine.phase == .draining }

    func isActive(_ kind: FaultRecord.Kind) -> Bool { active.values.contains { $0.record.kind == kind } }

    /// Notes a fault that begins now.
    @discardableResult
    func begin(_ kind: FaultRecord.Kind, _ session: Session?, life: Int? = nil, note: String = "") -> FaultRecord {
        let record = FaultRecord(
            kind, session: session?.index, life: life, start: engine.clock.microseconds, note: note)
        engine.faults.append(record)
        onFault(record)
        return record
    }

    /// Ends a fault after a time, or when the run ends. `undo` may prolong it by another call: without a gap, in which
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
        // It may have been prolonged.
        if active[id] == nil { fault.record.end = engine.clock.microseconds }
    }
}
