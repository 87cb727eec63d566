import UVKeeper

/// Compares the reports to the writers with the lines that the children received, and reports broken invariants.
///
/// A written line that did not arrive has one excuse: its child was killed, perhaps by its keeper, and the line can
/// have been in that child's pipe. A killed keeper is no excuse: it acknowledged when the pipe had taken the line, and
/// the child reads its pipe to the end. A line that was handed over by the raw socket may be lost with its keeper, too.
struct Judge {
    /// The events that were allowed. The faults' own counts tell which fault allowed each.
    struct Counts: Codable, Equatable {
        var arrived = 0
        /// Lines with an unknown outcome that arrived, including those in killed servers.
        var unknownArrived = 0
        var unknownLost = 0
        /// Written lines lost in the pipe of a killed child.
        var lostWithChild = 0
        /// Lines that were handed over by the raw socket, and arrived.
        var handedOver = 0
        /// Lines that were handed over by the raw socket, and lost with a keeper or its child.
        var lostWithKeeper = 0
        /// Fragments of clients that disconnected in mid-line.
        var clientFragments = 0
        /// Ends of input within a line, after a keeper was killed.
        var cutTails = 0
        /// Lines without a completion because the last server was killed.
        var pendingAtKill = 0
        /// The bytes of output that all readers together got, and those that were gone because newer ones had come.
        var outputBytes = 0
        var agedBytes = 0
        /// The bytes of output that another life of their session had removed.
        var removedBytes = 0
    }

    struct Case {
        let index: Int
        let lives: [Life]
        /// The ledgers by writer number; the last two are those of clients of the channel, and of the burst.
        let ledgers: [Ledger]
        /// The writers of a server in another process.
        var driven = 0..<0
        /// The exit of each life's keeper; nil if it has not ended. Empty if other processes started the keepers.
        var exits: [ProcessExit?] = []
        /// The patience of this process's lines.
        var patience = Patience.untilSessionEnds
        var failedStarts: [FailedStart] = []
        /// Files that keepers which ended in order have left on disk.
        var leftBehind: [String] = []
        var readings: [Reading] = []
        /// The least number of bytes of a stream that its keeper keeps.
        var keptOutput: UInt64 = 0

        /// Returns the patience of a writer. A server in another process has a journal, and can wait; so can a client
        /// of the channel.
        func patience(of writer: Int) -> Patience {
            if writer == ledgers.count - 1 { return .raw }
            return writer == ledgers.count - 2 || driven.contains(writer) ? .untilSessionEnds : patience
        }
    }

    let faults: [FaultRecord]
    /// The most bytes that a killed child can take along, besides one line that is cut: its pipe, and the bytes read
    /// but not checked.
    static let pipeByteCount = 65536 + Receipts.readByteCount
    var counts = Counts()
    var violations = Violations()
    var failedStarts: [JudgedStart] = []
    /// The bytes of written lines that each killed child took along, by the number of the life, and those of the
    /// longest line.
    private var lostByteCount: [Int: (all: Int, longest: Int)] = [:]
    /// The start of the last line that the child has read, in microseconds, by the number of a life that a fault ended.
    private var lastRead: [Int: UInt64] = [:]

    init(faults: [FaultRecord]) { self.faults = faults }

    /// Returns the number of lines that no child has received and that must arrive; while it falls, waiting helps.
    static func missing(_ cases: [Case], _ faults: [FaultRecord] = []) -> Int {
        var missing = 0
        for one in cases {
            missing += missingFragments(one, faults)
            for (writer, ledger) in one.ledgers.enumerated() {
                for sequence in 0..<ledger.count
                where [.written, .handedOver].contains(ledger[sequence].outcome)
                    && !one.lives.contains(where: { $0.receipts.hasReceived(writer, sequence) })
                {
                    missing += 1
                }
            }
        }
        return missing
    }

    mutating func judge(_ one: Case) {
        // A fault of the session itself explains more than a fault of all.
        let own = (faults.filter { $0.session == one.index } + faults.filter { $0.session == nil }).filter {
            !$0.hasFailed
        }
        lostByteCount = [:]
        lastRead = [:]
        for number in Set(own.filter(\.kind.endsSession).compactMap(\.life)) where number < one.lives.count {
            lastRead[number] = Judge.lastRead(of: one.lives[number].receipts, one.ledgers)
        }
        judgeStarts(one, own)
        judgeLives(one, own)
        judgeFragments(one)
        judgeOutput(one, own)
        let lost = violations.counts[.lost, default: 0]
        for (writer, ledger) in one.ledgers.enumerated() {
            judge(ledger, writer, one, Judge.faults(own, for: writer, of: one))
        }
        judgeEnds(one, own, lostBefore: lost)
    }

    /// Returns the faults that may explain the outcomes of a writer's lines.
    private static func faults(_ faults: [FaultRecord], for writer: Int, of one: Case) -> [FaultRecord] {
        let other: FaultRecord.Scope = one.driven.contains(writer) ? .own : .driven
        return faults.filter { $0.scope != other }
    }

    private static func lastRead(of receipts: Receipts, _ ledgers: [Ledger]) -> UInt64 {
        var last: UInt64 = 0
        for (writer, ledger) in ledgers.enumerated() {
            for sequence in 0..<min(ledger.count, receipts.end(of: writer)) where receipts.hasReceived(writer, sequence)
            {
                last = max(last, ledger[sequence].begin)
            }
        }
        return last
    }

    // MARK: Arrivals

    /// Judges each life: a keeper may end only by a fault or when it is told to.
    private mutating func judgeLives(_ one: Case, _ faults: [FaultRecord]) {
        for (number, life) in one.lives.enumerated() {
            judge(life, number, one, faults)
            judgeEnd(of: life, number, one, faults)
            guard number < one.lives.count - 1, !life.hasFailed, !life.wasToldToEnd,
                !faults.contains(where: { $0.session == one.index && $0.ended(life: number) })
            else { continue }
            violations.add(.recovery, "session \(one.index), life \(number): the keeper ended by itself")
        }
    }

    private mutating func judge(_ life: Life, _ number: Int, _ one: Case, _ faults: [FaultRecord]) {
        let receipts = life.receipts
        let place = "session \(one.index), life \(number)"
        violations.add(.duplicated, count: Int(receipts[.duplicates]), "\(place): a line arrived again")
        violations.add(.phantom, count: Int(receipts[.strange]), "\(place): a line of no writer")
        let fragment = receipts.fragments.first.map { "\($0)" } ?? "a line"
        violations.add(.torn, count: Int(receipts[.torn]), "\(place): \(fragment)")
        violations.add(
            .reordered, count: Int(receipts[.reordered]), "\(place): a line arrived after a later one, \(fragment)")
        judgeTail(of: receipts, place, faults.first { $0.kind == .keeperKilled && $0.life == number })
        for (writer, ledger) in one.ledgers.enumerated() where receipts.end(of: writer) > ledger.count {
            violations.add(.phantom, "\(place), writer \(writer): line \(receipts.end(of: writer) - 1) was never sent")
        }
    }

    /// Judges an unterminated line at the end of the input. A killed keeper may leave one: it had not handed the line
    /// over whole, so the line does not count as written.
    private mutating func judgeTail(of receipts: Receipts, _ place: String, _ kill: FaultRecord?) {
        let tails = Int(receipts[.tails])
        guard tails > 0 else { return }
        if tails == 1, kill != nil {
            counts.cutTails += 1
        } else {
            violations.add(.torn, "\(place): the input ended within a line")
        }
    }

    // MARK: Outcomes

    private mutating func judge(_ ledger: Ledger, _ writer: Int, _ one: Case, _ faults: [FaultRecord]) {
        let isOrdered = writer < one.ledgers.count - 1
        var lastLife = 0
        violations.add(.doubledCompletion, count: ledger.doubled, "session \(one.index), writer \(writer)")
        for sequence in 0..<ledger.count {
            let entry = ledger[sequence]
            let place = {
                "session \(one.index), writer \(writer), line \(sequence) of \(entry.byteCount) bytes, "
                    + "\(entry.outcome) at \(Double(entry.time) / 1e6) s after \(entry.latency / 1000) ms"
            }
            var arrivals = 0
            for (number, life) in one.lives.enumerated() where life.receipts.hasReceived(writer, sequence) {
                arrivals += 1
                if number < lastLife, isOrdered { violations.add(.reordered, "\(place()): in an earlier life") }
                lastLife = number
            }
            if arrivals > 1 { violations.add(.duplicated, count: arrivals - 1, "\(place()): in \(arrivals) lives") }
            let patience = one.patience(of: writer)
            switch entry.outcome {
            case .written where arrivals > 0: counts.arrived += 1
            case .written:
                if let fault = faults.first(where: { takesAlong($0, entry, sequence, writer, isOrdered, one, faults) })
                {
                    fault.excused.lost += 1
                    counts.lostWithChild += 1
                } else {
                    violations.add(.lost, place())
                }
            case .handedOver where arrivals > 0: counts.handedOver += 1
            case .handedOver:
                if let fault = faults.first(where: { mayHaveHad($0, entry, faults) }) {
                    fault.excused.lost += 1
                    counts.lostWithKeeper += 1
                } else {
                    violations.add(.lost, place())
                }
            case .refused, .overflowed:
                if arrivals > 0 { violations.add(.refusedArrived, place()) }
                guard entry.outcome == .refused else { continue }
                if let fault = faults.first(where: { $0.explainsRefusal(of: entry, patience) }) {
                    fault.excused.refused += 1
                } else {
                    violations.add(.unexplainedRefusal, place())
                }
            case .unknown:
                countUnknown(arrived: arrivals > 0)
                if let fault = faults.first(where: { $0.explainsUnknown(entry, patience) }) {
                    fault.excused.unknown += 1
                } else {
                    violations.add(.unexplainedUnknown, place())
                }
            case .pending, .none:
                if let fault = faults.first(where: { $0.explainsPending(entry) }) {
                    countUnknown(arrived: arrivals > 0)
                    fault.excused.pending += 1
                    counts.pendingAtKill += 1
                } else {
                    violations.add(.missingCompletion, place())
                }
            }
        }
    }

    private mutating func countUnknown(arrived: Bool) {
        if arrived { counts.unknownArrived += 1 } else { counts.unknownLost += 1 }
    }

    /// True if the fault killed the child in whose pipe a written line can have been, as far as the pipe has room.
    private mutating func takesAlong(
        _ fault: FaultRecord, _ entry: Ledger.Entry, _ sequence: Int, _ writer: Int, _ isOrdered: Bool, _ one: Case,
        _ faults: [FaultRecord],
    ) -> Bool {
        guard let life = fault.life, one.lives.indices.contains(life),
            fault.explainsLoss(of: entry, read: lastRead[life] ?? 0)
        else { return false }
        guard !wasBefore(entry, life, faults) else { return false }
        // No later line of the same writer can have passed a line in the pipe.
        guard !isOrdered || one.lives[life].receipts.end(of: writer) <= sequence else { return false }
        var lost = lostByteCount[life] ?? (0, 0)
        lost = (lost.all + entry.byteCount, max(lost.longest, entry.byteCount))
        guard lost.all - lost.longest <= Judge.pipeByteCount else { return false }
        lostByteCount[life] = lost
        return true
    }

    /// True if the fault ended the keeper in whose memory a line can have been, or its child.
    private func mayHaveHad(_ fault: FaultRecord, _ entry: Ledger.Entry, _ faults: [FaultRecord]) -> Bool {
        guard let life = fault.life, fault.explainsLoss(ofHandedOver: entry, read: lastRead[life] ?? 0) else {
            return false
        }
        return !wasBefore(entry, life, faults)
    }

    /// True if the previous life had the line.
    private func wasBefore(_ entry: Ledger.Entry, _ life: Int, _ faults: [FaultRecord]) -> Bool {
        faults.contains { $0.life == life - 1 && entry.time < $0.start }
    }
}
