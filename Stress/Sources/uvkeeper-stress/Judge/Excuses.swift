import UVKeeper

/// The effects that each fault can have on a line by the keeper's contract, and their times. No other effect is
/// excused.
extension FaultRecord.Kind {
    /// The servers whose lines the fault may explain, unless its record says otherwise.
    var scope: FaultRecord.Scope {
        switch self {
        case .serverKilled: .driven
        case .descriptorsExhausted: .own
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .socketRemoved, .socketReplaced, .pidFileGarbled, .staleFiles, .backlogOverflow, .keeperExhausted,
            .clientDisconnected, .unfinishedLine, .spawnWave, .discoveryRace, .machineStalled, .channelCut,
            .writerReplaced, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill, .readerPaused,
            .readerFrozen, .readerCut, .diskFull, .childFloods:
            .everybody
        }
    }

    /// The time to work off the backlog after the fault, in microseconds.
    var aftermath: UInt64 {
        switch self {
        // There is no backlog, since every attempt fails at once, but the failure is reported a tick later.
        case .socketRemoved, .socketReplaced, .descriptorsExhausted: LoopLag.stall
        // The keeper retries to accept after up to a second.
        case .keeperExhausted: 1_500_000
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .pidFileGarbled, .staleFiles, .backlogOverflow, .clientDisconnected, .unfinishedLine, .serverKilled,
            .spawnWave, .discoveryRace, .machineStalled, .channelCut, .writerReplaced, .keeperStoppedInEOF,
            .keeperStoppedInTerm, .keeperStoppedInKill, .readerPaused, .readerFrozen, .readerCut, .diskFull,
            .childFloods:
            500_000
        }
    }

    /// True if a line may be refused: no keeper listens, no connection can be made, or every attempt takes too long.
    var refuses: Bool {
        switch self {
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .backlogOverflow, .keeperExhausted, .machineStalled, .socketRemoved, .socketReplaced,
            .descriptorsExhausted, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill:
            true
        case .pidFileGarbled, .staleFiles, .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave,
            .discoveryRace, .channelCut, .writerReplaced, .readerPaused, .readerFrozen, .readerCut, .diskFull,
            .childFloods:
            false
        }
    }

    /// True if a line that was handed over may go unconfirmed: the keeper died or was kept from confirming in time.
    var leavesUnknown: Bool {
        switch self {
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .backlogOverflow, .keeperExhausted, .machineStalled, .keeperStoppedInEOF, .keeperStoppedInTerm,
            .keeperStoppedInKill:
            true
        case .socketRemoved, .socketReplaced, .descriptorsExhausted, .pidFileGarbled, .staleFiles,
            .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .channelCut,
            .writerReplaced, .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods:
            false
        }
    }

    /// True if a child dies with the lines in its pipe: at once, or when its keeper ends it.
    var killsChild: Bool {
        switch self {
        case .childKilled, .keeperToldToEnd, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill: true
        default: false
        }
    }

    /// True if the fault ends the keeper or the child of its session.
    var endsSession: Bool { self == .keeperKilled || killsChild }

    /// True if a client of the raw socket, which has no time limit, may be turned away.
    var turnsAway: Bool {
        endsSession || self == .socketRemoved || self == .socketReplaced || self == .descriptorsExhausted
    }

    /// The least wait, in microseconds, of a refused or unknown line that the fault explains. A keeper that is slow or
    /// frozen, or cannot accept, refuses and drops nobody, so a line must have run out of attempts, or of its time.
    var leastWait: (refused: UInt64, unknown: UInt64) {
        let attempt = KeeperConstants.writeAttemptTimeout
        // The first attempt may have begun before the line came.
        let attempts = KeeperConstants.writeBackoffs.reduce(.zero) { $0 + $1 + attempt }
        let refused = RunClock.microseconds(attempts) - LoopLag.stall
        let unknown = RunClock.microseconds(KeeperConstants.writeTime) - LoopLag.stall
        switch self {
        case .keeperExhausted, .keeperStopped, .childStopped, .slowReader, .backlogOverflow, .machineStalled:
            return (refused, unknown)
        case .keeperKilled, .keeperToldToEnd, .childKilled, .socketRemoved, .socketReplaced, .descriptorsExhausted,
            .pidFileGarbled, .staleFiles, .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave,
            .discoveryRace, .channelCut, .writerReplaced, .keeperStoppedInEOF, .keeperStoppedInTerm,
            .keeperStoppedInKill, .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods:
            return (0, 0)
        }
    }

    /// The manager's least pause, in microseconds, before it refuses a line whose attempts all failed at once. A
    /// session that ends in order reports at once which lines did not get into its child's pipe.
    var leastPause: UInt64 {
        switch self {
        case .keeperToldToEnd, .childKilled, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill: 0
        case .keeperKilled, .keeperStopped, .childStopped, .slowReader, .backlogOverflow, .keeperExhausted,
            .machineStalled, .socketRemoved, .socketReplaced, .descriptorsExhausted, .pidFileGarbled, .staleFiles,
            .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .channelCut,
            .writerReplaced, .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods:
            RunClock.microseconds(KeeperConstants.writeBackoffs.reduce(.zero, +)) - LoopLag.stall
        }
    }
}

extension FaultRecord {
    /// The longest time, in microseconds, that a line may have lain unread in a child's pipe before the child was
    /// killed: as long as an earlier fault may have kept the child from reading.
    static let unread: UInt64 = 3_000_000

    /// True if the line was under way while the fault lasted.
    func covers(_ entry: Ledger.Entry) -> Bool {
        guard entry.time >= start else { return false }
        guard let end else { return true }
        return entry.begin <= end + aftermath
    }

    func explainsRefusal(of entry: Ledger.Entry, _ patience: Patience) -> Bool {
        guard covers(entry) else { return false }
        return switch patience {
        case .attempts: kind.refuses && entry.latency >= max(kind.leastWait.refused, kind.leastPause)
        case .untilSessionEnds: kind.endsSession
        case .raw: kind.turnsAway
        }
    }

    /// True if the fault explains an unknown outcome. After a broken connection the outcomes become known, so a line
    /// that waits as long as its session lives is unknown only if the session has ended.
    func explainsUnknown(_ entry: Ledger.Entry, _ patience: Patience) -> Bool {
        guard covers(entry) else { return false }
        return switch patience {
        case .attempts: kind.leavesUnknown && entry.latency >= kind.leastWait.unknown
        case .untilSessionEnds, .raw: kind.endsSession
        }
    }

    /// True if the fault killed the server that had the line under way, and no other server came that could have
    /// learned its outcome.
    func explainsPending(_ entry: Ledger.Entry) -> Bool {
        kind == .serverKilled && !isFollowed && entry.time <= end ?? .max
    }

    /// True if a written line may have lain unread in the pipe of the child that the fault killed.
    ///
    /// - Parameter read: the start of the last line that this child has read, in microseconds: a pipe keeps its order.
    func explainsLoss(of entry: Ledger.Entry, read: UInt64) -> Bool {
        kind.killsChild && entry.time + FaultRecord.unread >= start && entry.time <= end ?? .max
            && read <= entry.time
    }

    /// True if a line that was handed over by the raw socket may have been in the memory of the keeper that the fault
    /// ended, or in the pipe of its child.
    ///
    /// - Parameter read: the start of the last line that its child has read, in microseconds: a keeper keeps the order.
    func explainsLoss(ofHandedOver entry: Ledger.Entry, read: UInt64) -> Bool {
        kind.endsSession && entry.time <= end ?? .max && read <= entry.time
    }

    /// The least time, in microseconds, of a start that fails because its keeper could not get the session's lock.
    static let contendedStart: UInt64 = 900_000

    /// True if the fault may have made a start of a session's keeper fail.
    func explains(_ failure: FailedStart) -> Bool {
        guard failure.end >= start, failure.begin <= end ?? .max else { return false }
        switch kind {
        // No file can be opened, and no program run.
        case .descriptorsExhausted: return true
        // A child that the killed keeper has left behind may keep another from taking its place, as long as it lives.
        case .keeperKilled: return failure.namesSurvivor
        // A process that cleaned up was kept waiting while it held the lock.
        case .machineStalled: return failure.end - failure.begin >= FaultRecord.contendedStart
        case .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader, .socketRemoved,
            .socketReplaced, .pidFileGarbled, .staleFiles, .backlogOverflow, .keeperExhausted, .clientDisconnected,
            .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .channelCut, .writerReplaced,
            .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill, .readerPaused, .readerFrozen, .readerCut,
            .diskFull, .childFloods:
            return false
        }
    }

    /// True if the fault ended that life of its session.
    func ended(life number: Int) -> Bool { kind.endsSession && life == number }
}
