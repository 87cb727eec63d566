/// What each fault can do to a line by the keeper's contract, and when. Everything else has no excuse.
extension FaultRecord.Kind {
    /// Whether a line may be refused: nobody listens, no connection can be made, or every attempt takes too long.
    var refuses: Bool {
        switch self {
        case .keeperKilled, .keeperStopped, .childKilled, .childStopped, .slowReader, .backlogOverflow, .machineStalled,
            .socketRemoved, .socketReplaced, .descriptorsExhausted:
            true
        case .pidFileGarbled, .staleFiles, .clientDisconnected, .serverKilled, .spawnWave: false
        }
    }

    /// Whether a line that was handed over may go unconfirmed: the keeper died or was kept from confirming in time.
    var leavesUnknown: Bool {
        switch self {
        case .keeperKilled, .keeperStopped, .childKilled, .childStopped, .slowReader, .backlogOverflow, .machineStalled:
            true
        case .socketRemoved, .socketReplaced, .descriptorsExhausted, .pidFileGarbled, .staleFiles, .clientDisconnected,
            .serverKilled, .spawnWave:
            false
        }
    }
}

extension FaultRecord {
    /// In microseconds: how long what piled up during a fault may take to be worked off after it.
    static let aftermath: UInt64 = 500_000

    /// In microseconds: how long a line may have lain unread in a child's pipe before the child was killed, at most: as
    /// long as a fault before may have kept it from reading.
    static let unread: UInt64 = 3_000_000

    /// In microseconds: how long a line may be without an outcome, at most, in a server that is overloaded.
    static let unanswered: UInt64 = 10_000_000

    /// Whether a line was under way while it lasted.
    func covers(_ entry: Ledger.Entry) -> Bool {
        guard entry.time >= start else { return false }
        guard let end else { return true }
        return entry.begin <= end + FaultRecord.aftermath
    }

    /// Whether it lasted at a time, or what piled up in it may not have been worked off by then.
    func affects(_ time: UInt64) -> Bool { time >= start && (end.map { time <= $0 + FaultRecord.aftermath } ?? true) }

    func explainsRefusal(of entry: Ledger.Entry) -> Bool { kind.refuses && covers(entry) }

    func explainsUnknown(_ entry: Ledger.Entry) -> Bool { kind.leavesUnknown && covers(entry) }

    /// Whether it killed the server that had the line under way.
    func explainsPending(_ entry: Ledger.Entry) -> Bool {
        kind == .serverKilled && entry.time <= start && entry.time + FaultRecord.unanswered >= start
    }

    /// Whether a written line may have lain unread in the pipe of the child it killed.
    func explainsLoss(of entry: Ledger.Entry) -> Bool {
        kind == .childKilled && entry.time + FaultRecord.unread >= start && entry.time <= end ?? .max
    }
}
