import UVKeeper

/// What each fault can do to a line by the keeper's contract, and when. Everything else has no excuse.
extension FaultRecord.Kind {
    /// Whose lines it may explain, unless its record says otherwise.
    var scope: FaultRecord.Scope {
        switch self {
        case .serverKilled: .driven
        case .descriptorsExhausted: .own
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .socketRemoved, .socketReplaced, .pidFileGarbled, .staleFiles, .backlogOverflow, .keeperExhausted,
            .clientDisconnected, .unfinishedLine, .spawnWave, .discoveryRace, .machineStalled, .channelCut,
            .writerReplaced, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill:
            .everybody
        }
    }

    /// In microseconds: how long what piled up during it may take to be worked off after it.
    var aftermath: UInt64 {
        switch self {
        // Nothing piles up: every attempt fails at once. Its failure is reported a tick later.
        case .socketRemoved, .socketReplaced, .descriptorsExhausted: LoopLag.stall
        // It tries to accept again after up to a second.
        case .keeperExhausted: 1_500_000
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .pidFileGarbled, .staleFiles, .backlogOverflow, .clientDisconnected, .unfinishedLine, .serverKilled,
            .spawnWave, .discoveryRace, .machineStalled, .channelCut, .writerReplaced, .keeperStoppedInEOF,
            .keeperStoppedInTerm, .keeperStoppedInKill:
            500_000
        }
    }

    /// Whether a line may be refused: nobody listens, no connection can be made, or every attempt takes too long.
    var refuses: Bool {
        switch self {
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .backlogOverflow, .keeperExhausted, .machineStalled, .socketRemoved, .socketReplaced,
            .descriptorsExhausted, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill:
            true
        case .pidFileGarbled, .staleFiles, .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave,
            .discoveryRace, .channelCut, .writerReplaced:
            false
        }
    }

    /// Whether a line that was handed over may go unconfirmed: the keeper died or was kept from confirming in time.
    var leavesUnknown: Bool {
        switch self {
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .backlogOverflow, .keeperExhausted, .machineStalled, .keeperStoppedInEOF, .keeperStoppedInTerm,
            .keeperStoppedInKill:
            true
        case .socketRemoved, .socketReplaced, .descriptorsExhausted, .pidFileGarbled, .staleFiles,
            .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .channelCut,
            .writerReplaced:
            false
        }
    }

    /// Whether a child dies with what its pipe has taken: at once, or when its keeper ends it.
    var killsChild: Bool {
        switch self {
        case .childKilled, .keeperToldToEnd, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill: true
        default: false
        }
    }

    /// Whether it ends the keeper or the child of its session.
    var endsSession: Bool { self == .keeperKilled || killsChild }

    /// Whether a client of the raw socket, which has all the time there is, may be turned away.
    var turnsAway: Bool {
        endsSession || self == .socketRemoved || self == .socketReplaced || self == .descriptorsExhausted
    }

    /// In microseconds: how long a line has waited at least that it explains, refused or unknown. A keeper that is slow or
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
            .keeperStoppedInKill:
            return (0, 0)
        }
    }

    /// In microseconds: how long the manager pauses at least before it refuses a line that every attempt failed for at once.
    /// A session that ends in order says at once which lines did not get into its child's pipe.
    var leastPause: UInt64 {
        switch self {
        case .keeperToldToEnd, .childKilled, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill: 0
        case .keeperKilled, .keeperStopped, .childStopped, .slowReader, .backlogOverflow, .keeperExhausted,
            .machineStalled, .socketRemoved, .socketReplaced, .descriptorsExhausted, .pidFileGarbled, .staleFiles,
            .clientDisconnected,
            .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .channelCut, .writerReplaced:
            RunClock.microseconds(KeeperConstants.writeBackoffs.reduce(.zero, +)) - LoopLag.stall
        }
    }
}

extension FaultRecord {
    /// In microseconds: how long a line may have lain unread in a child's pipe before the child was killed, at most: as
    /// long as a fault before may have kept it from reading.
    static let unread: UInt64 = 3_000_000

    /// Whether a line was under way while it lasted.
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

    /// After a broken connection everything is known, so a line that waits as long as its session lives is unknown only if
    /// that has ended.
    func explainsUnknown(_ entry: Ledger.Entry, _ patience: Patience) -> Bool {
        guard covers(entry) else { return false }
        return switch patience {
        case .attempts: kind.leavesUnknown && entry.latency >= kind.leastWait.unknown
        case .untilSessionEnds, .raw: kind.endsSession
        }
    }

    /// Whether it killed the server that had the line under way, and no other came that could have told what became of it.
    func explainsPending(_ entry: Ledger.Entry) -> Bool {
        kind == .serverKilled && !isFollowed && entry.time <= end ?? .max
    }

    /// Whether a written line may have lain unread in the pipe of the child it killed.
    ///
    /// - Parameter read: when the last line that this child has read began, in microseconds: a pipe keeps its order.
    func explainsLoss(of entry: Ledger.Entry, read: UInt64) -> Bool {
        kind.killsChild && entry.time + FaultRecord.unread >= start && entry.time <= end ?? .max
            && read <= entry.time
    }

    /// Whether a line that was handed over by the raw socket may have been in the memory of the keeper that it ended, or in the
    /// pipe of its child.
    ///
    /// - Parameter read: when the last line that its child has read began, in microseconds: a keeper keeps the order.
    func explainsLoss(ofHandedOver entry: Ledger.Entry, read: UInt64) -> Bool {
        kind.endsSession && entry.time <= end ?? .max && read <= entry.time
    }

    /// In microseconds: the least time of a start that fails because its keeper could not get the session's lock.
    static let contendedStart: UInt64 = 900_000

    /// True if a start of a session's keeper may have failed by it.
    func explains(_ failure: FailedStart) -> Bool {
        guard failure.end >= start, failure.begin <= end ?? .max else { return false }
        switch kind {
        // Nothing can be opened or run.
        case .descriptorsExhausted: return true
        // A child that its keeper has not taken along may keep another from taking its place, as long as it lives.
        case .keeperKilled: return failure.namesSurvivor
        // Somebody who cleans up was kept waiting with the lock in his hand.
        case .machineStalled: return failure.end - failure.begin >= FaultRecord.contendedStart
        case .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader, .socketRemoved,
            .socketReplaced, .pidFileGarbled, .staleFiles, .backlogOverflow, .keeperExhausted, .clientDisconnected,
            .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .channelCut, .writerReplaced,
            .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill:
            return false
        }
    }

    /// Whether it ended that life of its session.
    func ended(life number: Int) -> Bool { kind.endsSession && life == number }
}
