import UVKeeper

/// The judgement of starts and ends of keepers, and of their remains.
extension Judge {
    /// A failed start, and the fault that explains it.
    struct JudgedStart {
        let session: Int
        let failure: FailedStart
        /// The fault; nil if none explains the start.
        let fault: FaultRecord?
    }

    /// Judges starts: a keeper must start unless a fault keeps it from that, and leave nothing if it ends in order.
    mutating func judgeStarts(_ one: Case, _ faults: [FaultRecord]) {
        for failure in one.failedStarts {
            // A fault of all sessions explains a start better than the way the previous life ended.
            let fault = faults.last { $0.explains(failure) }
            failedStarts.append(JudgedStart(session: one.index, failure: failure, fault: fault))
            if let fault {
                fault.excused.starts += 1
            } else {
                let (at, after) = (Double(failure.begin) / 1e6, (failure.end - failure.begin) / 1000)
                violations.add(
                    .failedStart,
                    "session \(one.index), at \(Texts.decimal(at)) s, after \(after) ms, for nothing: \(failure.text)")
            }
        }
        for text in one.leftBehind { violations.add(.fileLeft, "session \(one.index), \(text)") }
    }

    /// Judges the end of a keeper: only the signal of a fault may end it, and one that is told to end must report that
    /// it did.
    mutating func judgeEnd(
        of life: Life, _ number: Int, _ one: Case, _ faults: [FaultRecord],
    ) {
        guard number < one.exits.count, let exit = one.exits[number] else { return }
        let isKilled = faults.contains {
            $0.kind == .keeperKilled && $0.session == one.index && $0.ended(life: number)
        }
        let isInOrder =
            switch exit {
            case .exited(let code): !life.wasToldToEnd || code == 0 || isKilled
            case .signaled(let signal): isKilled && signal == .kill
            case .unknown: true
            }
        guard !isInOrder else { return }
        let how = life.wasToldToEnd ? "the keeper was told to end and \(exit)" : "the keeper \(exit)"
        violations.add(.recovery, "session \(one.index), life \(number): \(how)")
    }

    // MARK: Lines without an end

    /// Judges fragments: at most one for each client that disconnected in mid-line, and at least those that must have
    /// arrived.
    mutating func judgeFragments(_ one: Case) {
        let fragments = one.lives.reduce(0) { $0 + Int($1.receipts[.fragments]) }
        let clients = faults.count { $0.kind == .clientDisconnected && $0.session == one.index }
        counts.clientFragments += min(fragments, clients)
        violations.add(
            .torn, count: fragments - clients,
            "session \(one.index): \(fragments) fragments of \(clients) clients that disconnected")
        violations.add(
            .lost, count: Judge.missingFragments(one, faults),
            "session \(one.index): last lines without a newline, of clients that ended their stream in order")
    }

    /// Returns the number of fragments that no child has received and that must arrive: their clients ended their
    /// stream after all bytes were taken, and neither the keeper nor the child they went to was killed.
    static func missingFragments(_ one: Case, _ faults: [FaultRecord]) -> Int {
        let own = faults.filter { $0.session == one.index && !$0.hasFailed }
        return one.lives.indices.reduce(0) { sum, life in
            guard !own.contains(where: { $0.ended(life: life) }) else { return sum }
            let certain = own.count { $0.kind == .clientDisconnected && $0.completeIn == life }
            return sum + max(0, certain - Int(one.lives[life].receipts[.fragments]))
        }
    }
}
