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
            .clientDisconnected, .unfinishedLine, .spawnWave, .discoveryRace, .machineStalled,
            .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods:
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
            .spawnWave, .discoveryRace, .machineStalled, .readerPaused, .readerFrozen, .readerCut, .diskFull,
            .childFloods:
            500_000
        }
    }

    /// Whether a line may be refused: nobody listens, no connection can be made, or every attempt takes too long.
    var refuses: Bool {
        switch self {
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .backlogOverflow, .keeperExhausted, .machineStalled, .socketRemoved, .socketReplaced,
            .descriptorsExhausted:
            true
        case .pidFileGarbled, .staleFiles, .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave,
            .discoveryRace, .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods:
            false
        }
    }

    /// Whether a line that was handed over may go unconfirmed: the keeper died or was kept from confirming in time.
    var leavesUnknown: Bool {
        switch self {
        case .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
            .backlogOverflow, .keeperExhausted, .machineStalled:
            true
        case .socketRemoved, .socketReplaced, .descriptorsExhausted, .pidFileGarbled, .staleFiles,
            .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .readerPaused,
            .readerFrozen, .readerCut, .diskFull, .childFloods:
            false
        }
    }

    /// Whether a child dies with what its pipe has taken: at once, or when its keeper ends it.
    var killsChild: Bool { self == .childKilled || self == .keeperToldToEnd }

    /// Whether it does nothing to the clients of a keeper but make them wait before it accepts them.
    var onlyDelays: Bool { self == .backlogOverflow || self == .keeperExhausted }

    /// In microseconds: how long a line has waited at least that it explains, refused or unknown. A keeper that is slow or
    /// frozen, or cannot accept, refuses and drops nobody, so a line must have run out of attempts, or of the time of one.
    var leastWait: (refused: UInt64, unknown: UInt64) {
        let attempt = KeeperConstants.writeAttemptTimeout
        // The first attempt may have begun before the line came.
        let attempts = KeeperConstants.writeBackoffs.reduce(.zero) { $0 + $1 + attempt }
        let refused = RunClock.microseconds(attempts) - LoopLag.stall
        let unknown = RunClock.microseconds(attempt) - LoopLag.stall
        switch self {
        case .keeperExhausted, .keeperStopped, .childStopped: return (refused, unknown)
        // An attempt that was held up may connect at its very end, with lines that have just come.
        case .slowReader, .backlogOverflow, .machineStalled: return (refused, 0)
        case .keeperKilled, .keeperToldToEnd, .childKilled, .socketRemoved, .socketReplaced, .descriptorsExhausted,
            .pidFileGarbled, .staleFiles, .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave,
            .discoveryRace, .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods:
            return (0, 0)
        }
    }

    /// In microseconds: how long the manager pauses at least before it refuses a line that every attempt failed for at once.
    /// A file that is no socket is the one thing for which it does not try again; and a session that ends in order says at once
    /// which lines did not get into its child's pipe.
    var leastPause: UInt64 {
        switch self {
        case .socketReplaced, .keeperToldToEnd, .childKilled: 0
        case .keeperKilled, .keeperStopped, .childStopped, .slowReader, .backlogOverflow, .keeperExhausted,
            .machineStalled, .socketRemoved, .descriptorsExhausted, .pidFileGarbled, .staleFiles, .clientDisconnected,
            .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .readerPaused, .readerFrozen, .readerCut,
            .diskFull, .childFloods:
            RunClock.microseconds(KeeperConstants.writeBackoffs.reduce(.zero, +)) - LoopLag.stall
        }
    }
}

extension FaultRecord {
    /// In microseconds: how long a line may have lain unread in a child's pipe before the child was killed, at most: as
    /// long as a fault before may have kept it from reading.
    static let unread: UInt64 = 3_000_000

    /// In microseconds: how long a line may be without an outcome, at most, in a server that is overloaded.
    static let unanswered: UInt64 = 10_000_000

    /// Whether a line was under way while it lasted.
    func covers(_ entry: Ledger.Entry) -> Bool {
        guard entry.time >= start else { return false }
        guard let end else { return true }
        return entry.begin <= end + aftermath
    }

    /// Whether it lasted at a time, or what piled up in it may not have been worked off by then.
    func affects(_ time: UInt64) -> Bool { time >= start && (end.map { time <= $0 + aftermath } ?? true) }

    /// - Parameter hasAttempts: the manager sent it, which tries a line several times.
    func explainsRefusal(of entry: Ledger.Entry, hasAttempts: Bool) -> Bool {
        let least = max(kind.leastWait.refused, hasAttempts ? kind.leastPause : 0)
        return kind.refuses && covers(entry) && entry.latency >= least
    }

    /// After its end a line may have waited less: the attempt that it joined waited for the connection before it.
    func explainsUnknown(_ entry: Ledger.Entry) -> Bool {
        kind.leavesUnknown && covers(entry) && (entry.latency >= kind.leastWait.unknown || entry.time > end ?? .max)
    }

    /// Whether it killed the server that had the line under way.
    ///
    /// - Parameter overtaken: when the first line after it that has an outcome began, in microseconds. A server completes
    ///   the lines of a writer in their order, so one of the killed server's own lines shows that this one was forgotten.
    func explainsPending(_ entry: Ledger.Entry, overtaken: UInt64) -> Bool {
        wasAlive(with: entry) && overtaken > serverEnd ?? start
    }

    /// Whether it killed a server that may have had the line, or its connection.
    func wasAlive(with entry: Ledger.Entry) -> Bool {
        kind == .serverKilled && entry.time <= serverEnd ?? start && entry.time + FaultRecord.unanswered >= start
    }

    /// Whether a written line may have lain unread in the pipe of the child it killed.
    ///
    /// - Parameter read: when the last line that this child has read began, in microseconds: a pipe keeps its order.
    func explainsLoss(of entry: Ledger.Entry, read: UInt64) -> Bool {
        kind.killsChild && entry.time + FaultRecord.unread >= start && entry.time <= end ?? .max
            && read <= entry.time
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
            .unfinishedLine, .serverKilled, .spawnWave, .discoveryRace, .readerPaused, .readerFrozen, .readerCut,
            .diskFull, .childFloods:
            return false
        }
    }

    /// Whether it ended that life of its session.
    func ended(life number: Int) -> Bool { (kind == .keeperKilled || kind.killsChild) && life == number }
}
