import UVKeeper

/// What is said of the end of a session: by whom ever, and on disk, it is the same, and it is true.
extension Judge {
    /// How many lines a child that is killed may have had, in its pipe and read, that were acknowledged.
    private static let pipeLines = pipeByteCount / LineFormat.minimumByteCount + 1

    mutating func judgeEnds(_ one: Case, _ faults: [FaultRecord], lostBefore: Int) {
        var epochs: Set<String> = []
        let lost = violations.counts[.lost, default: 0] - lostBefore
        for (number, life) in one.lives.enumerated() {
            guard !life.hasFailed, let end = life.end else { continue }
            let place = "session \(one.index), life \(number)"
            violations.add(.processLeft, count: end.survivors.count, "\(place), after its end: \(end.survivors)")
            guard let record = end.record else {
                violations.add(.record, "\(place): there is none")
                continue
            }
            if !epochs.insert(record.epoch).inserted { violations.add(.record, "\(place): it has an earlier epoch") }
            if record.keeper.pid != life.keeperPID || life.childPID > 0 && record.child?.pid != life.childPID {
                violations.add(
                    .record, "\(place): keeper \(record.keeper.pid) and child \(record.child?.pid ?? 0), not "
                        + "\(life.keeperPID) and \(life.childPID)")
            }
            let own = faults.filter { $0.session == one.index && $0.ended(life: number) }
            let isLost = record.exit == nil || record.exit?.reason == .keeperLost
            // Whoever cleans up may say that the keeper was lost, after the end was told.
            if end.told != record.exit, !(end.told == nil && isLost) {
                violations.add(.record, "\(place): \(end.told as Any) was told, and it says \(record.exit as Any)")
            }
            for message in life.exitMessages where !end.recordText.contains("\"exit\":\(message)") {
                violations.add(.record, "\(place): a client was told \(message), and it says \(end.recordText)")
            }
            guard let exit = record.exit, !isLost else {
                // A killed keeper says nothing.
                if !own.contains(where: { $0.kind == .keeperKilled }), !life.couldNotOpen {
                    violations.add(.record, "\(place): it does not say how the session ended")
                }
                continue
            }
            judge(exit, of: life, place, own)
            judgeWriters(exit, end, life, place, one, own, lost)
        }
    }

    /// Why and how it ended.
    private mutating func judge(_ exit: SessionExit, of life: Life, _ place: String, _ faults: [FaultRecord]) {
        let wasChildKilled = faults.contains { $0.kind == .childKilled }
        let (code, signal) = (exit.code, exit.signal)
        let isRight =
            switch (exit.reason, exit.by) {
            case (.exited, nil), (.crashedAtStart, nil): wasChildKilled && code == nil && signal == "KILL"
            case (.stopped, .eof), (.keeperSignalled, .eof): code == 0 && signal == nil
            case (.stopped, .term), (.keeperSignalled, .term): code == nil && signal == "TERM"
            // The child may have ended in another step, and others only in this.
            case (.stopped, .kill), (.keeperSignalled, .kill): code == 0 || signal == "TERM" || signal == "KILL"
            // A stand-in.
            case (.stopped, nil), (.keeperSignalled, nil): signal != nil
            default: false
            }
        if !isRight { violations.add(.record, "\(place): it says \(exit)") }
        violations.add(.processLeft, count: exit.leftBehind.count, "\(place): as its record says, \(exit.leftBehind)")
        for fault in faults {
            let step: SessionExit.Step? =
                switch fault.kind {
                case .keeperStoppedInEOF: .term
                case .keeperStoppedInTerm, .keeperStoppedInKill: .kill
                default: nil
                }
            if let step, exit.by != step { violations.add(.record, "\(place): by \(exit.by as Any), not \(step)") }
        }
    }

    /// It acknowledges what was reported written, and no more than what has arrived or was in the pipe.
    private mutating func judgeWriters(
        _ exit: SessionExit, _ end: LifeEnd, _ life: Life, _ place: String, _ one: Case, _ faults: [FaultRecord],
        _ lost: Int,
    ) {
        let receipts = life.receipts
        let harmed = lost + Int(receipts[.duplicates] + receipts[.torn] + receipts[.strange])
        let allowed = harmed + (faults.contains { $0.kind.killsChild } ? Judge.pipeLines : 0)
        let count = { (writers: [Int]) in writers.reduce(0) { $0 + receipts.count(of: $1) } }
        let own = (0..<max(0, one.ledgers.count - 2)).filter { !one.driven.contains($0) }
        for (state, arrived, told) in [
            (exit.writers.first { $0.name.hasPrefix("m-") }, count(own), end.ownWritten),
            (exit.writers.first { $0.name == "server" }, count(Array(one.driven)), end.serverWritten),
        ] {
            guard let state else {
                // It has room for 64.
                if arrived > 0, exit.writers.count < 64 {
                    violations.add(.record, "\(place): \(arrived) lines of a writer that it does not name")
                }
                continue
            }
            let acknowledged = Int(state.acknowledged)
            if acknowledged < told || acknowledged > arrived + allowed || acknowledged + harmed < arrived
                || state.last < state.acknowledged
            {
                violations.add(
                    .record, "\(place): \(state.name) \(acknowledged) of \(state.last) lines, where \(told) were "
                        + "reported and \(arrived) arrived")
            }
        }
        for (name, told) in life.clients {
            guard let state = exit.writers.first(where: { $0.name == name }), state.acknowledged < told else { continue }
            violations.add(.record, "\(place): \(name) \(state.acknowledged) lines, where \(told) were acknowledged")
        }
    }
}
