import UVKeeper

/// How keepers start and end, and what they leave.
extension Judge {
    /// A failed start, and what explains it.
    struct JudgedStart {
        let session: Int
        let failure: FailedStart
        /// Nil if nothing does.
        let fault: FaultRecord?
    }

    /// A keeper starts unless a fault keeps it from that, and one that ends in order leaves nothing.
    mutating func judgeStarts(_ one: Case, _ faults: [FaultRecord]) {
        for failure in one.failedStarts {
            // A fault of all explains a start better than how the life before it ended.
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

    /// No signal ends a keeper but the one that a fault sent, and one that is told to end says that it did.
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

    /// There are no more fragments than clients that disconnected in mid-line, and no fewer than must have arrived.
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

    /// Fragments that no child has received and that must arrive: of clients that ended their stream after it had taken every
    /// byte, while nobody killed the keeper or the child that it went to.
    static func missingFragments(_ one: Case, _ faults: [FaultRecord]) -> Int {
        let own = faults.filter { $0.session == one.index && !$0.hasFailed }
        return one.lives.indices.reduce(0) { sum, life in
            guard !own.contains(where: { $0.ended(life: life) }) else { return sum }
            let certain = own.count { $0.kind == .clientDisconnected && $0.completeIn == life }
            return sum + max(0, certain - Int(one.lives[life].receipts[.fragments]))
        }
    }
}
