import UVKeeper

/// The judgement of a session's end: all reports, and the record on disk, must agree and be true.
extension Judge {
    /// The most acknowledged lines that a killed child may take along, in its pipe and read.
    private static let pipeLines = pipeByteCount / LineFormat.minimumByteCount + 1

    mutating func judgeEnds(_ one: Case, _ faults: [FaultRecord], lostBefore: Int) {
        let lost = violations.counts[.lost, default: 0] - lostBefore
        let epochs = one.lives.compactMap { $0.end?.record?.epoch }
        let again = epochs.count - Set(epochs).count
        violations.add(.record, count: again, "session \(one.index): \(again) lives have the epoch of another")
        for (number, life) in one.lives.enumerated() {
            guard !life.hasFailed, let end = life.end else { continue }
            let place = "session \(one.index), life \(number)"
            let own = faults.filter { $0.session == one.index && $0.ended(life: number) }
            if let record = end.record {
                judge(record, of: life, end, place)
            } else {
                violations.add(.record, "\(place): there is none")
            }
            if let exit = end.exit {
                violations.add(.processLeft, count: end.survivors.count, "\(place), after its end: \(end.survivors)")
                judge(exit, place, own)
                judgeWriters(exit, end, life, place, one, own, lost)
            } else if !own.contains(where: { $0.kind == .keeperKilled }), !life.couldNotOpen {
                // A killed keeper writes no exit.
                violations.add(.record, "\(place): it does not say how the session ended")
            }
        }
    }

    /// Judges if the record is the life's, and if all were told the same.
    private mutating func judge(_ record: SessionRecord, of life: Life, _ end: LifeEnd, _ place: String) {
        let child = record.child?.pid ?? 0
        if record.keeper.pid != life.keeperPID || life.childPID > 0 && child != life.childPID {
            violations.add(
                .record,
                "\(place): keeper \(record.keeper.pid), child \(child), not \(life.keeperPID) and \(life.childPID)")
        }
        // A process that cleans up may record that the keeper was lost, after the end was reported.
        if end.told != record.exit, end.told != nil || end.exit != nil {
            violations.add(.record, "\(place): \(end.told as Any) was told, and it says \(record.exit as Any)")
        }
        for message in life.exitMessages where !end.recordText.contains("\"exit\":\(message)") {
            violations.add(.record, "\(place): a client was told \(message), and it says \(end.recordText)")
        }
    }

    /// Judges the reason and the manner of the exit.
    private mutating func judge(_ exit: SessionExit, _ place: String, _ faults: [FaultRecord]) {
        let wasChildKilled = faults.contains { $0.kind == .childKilled }
        let (code, signal) = (exit.code, exit.signal)
        let isRight =
            switch (exit.reason, exit.by) {
            case (.exited, nil), (.crashedAtStart, nil): wasChildKilled && code == nil && signal == "KILL"
            case (.stopped, .eof), (.keeperSignalled, .eof): code == 0 && signal == nil
            case (.stopped, .term), (.keeperSignalled, .term): code == nil && signal == "TERM"
            // The child may have ended in another step, and its own children only in this one.
            case (.stopped, .kill), (.keeperSignalled, .kill): code == 0 || signal == "TERM" || signal == "KILL"
            // The end is a stand-in's.
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

    /// Judges the acknowledgements: at least the lines reported written, at most those that have arrived or were in the
    /// pipe.
    private mutating func judgeWriters(
        _ exit: SessionExit, _ end: LifeEnd, _ life: Life, _ place: String, _ one: Case, _ faults: [FaultRecord],
        _ lost: Int,
    ) {
        let receipts = life.receipts
        let harmed = lost + Int(receipts[.duplicates] + receipts[.torn] + receipts[.strange])
        let allowed = harmed + (faults.contains { $0.kind.killsChild } ? Judge.pipeLines : 0)
        let count = { (writers: [Int]) in writers.reduce(0) { $0 + receipts.count(of: $1) } }
        let own = (0..<max(0, one.ledgers.count - 2)).filter { !one.driven.contains($0) }
        for (state, arrived, told, raw) in [
            (exit.writers.first { $0.name.hasPrefix("m-") }, count(own), end.ownWritten, end.ownHandedOver),
            (exit.writers.first { $0.name == "server" }, count(Array(one.driven)), end.serverWritten, 0),
        ] {
            guard let state else {
                // The record has room for 64 writers.
                if arrived > 0, exit.writers.count < 64 {
                    violations.add(.record, "\(place): \(arrived) lines of a writer that it does not name")
                }
                continue
            }
            let acknowledged = Int(state.acknowledged)
            if acknowledged < told || acknowledged > arrived + allowed || acknowledged + harmed + raw < arrived
                || state.last < state.acknowledged
            {
                violations.add(
                    .record,
                    "\(place): \(state.name) \(acknowledged) of \(state.last) lines, where \(told) were "
                        + "reported and \(arrived) arrived")
            }
        }
        for (name, told) in life.clients {
            guard let state = exit.writers.first(where: { $0.name == name }), state.acknowledged < told else {
                continue
            }
            violations.add(.record, "\(place): \(name) \(state.acknowledged) lines, where \(told) were acknowledged")
        }
    }
}
