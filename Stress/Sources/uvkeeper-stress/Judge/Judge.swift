import UVKeeper

/// Compares what the writers were told with what the children received, and says what broke an invariant.
///
/// A written line that did not arrive has one excuse: its child was killed, perhaps by its keeper, and it can have been in
/// that child's pipe. A killed keeper is none: it acknowledged when the pipe had taken the line, and the child reads its pipe
/// to the end. A line that was handed over by the raw socket may be lost with its keeper, too.
struct Judge {
    /// What was allowed and happened. Which fault allowed it is in the faults' own counts.
    struct Counts: Codable, Equatable {
        var arrived = 0
        /// Of lines with an unknown outcome, those in killed servers included.
        var unknownArrived = 0
        var unknownLost = 0
        /// Written lines lost in the pipe of a killed child.
        var lostWithChild = 0
        /// Lines that were handed over by the raw socket, and arrived.
        var handedOver = 0
        /// The same, lost with a keeper or its child.
        var lostWithKeeper = 0
        /// Fragments of clients that disconnected in mid-line.
        var clientFragments = 0
        /// Ends of input within a line, after a keeper was killed.
        var cutTails = 0
        /// Lines without a completion because the last server was killed.
        var pendingAtKill = 0
    }

    struct Case {
        let index: Int
        let lives: [Life]
        /// By writer number; the last two are those of clients of the channel, and the burst's.
        let ledgers: [Ledger]
        /// The writers of a server in another process.
        var driven = 0..<0
        /// How the keeper of each life ended; nil if it has not. Empty if other processes started them.
        var exits: [ProcessExit?] = []
        /// That of the lines of this process.
        var patience = Patience.untilSessionEnds
        var failedStarts: [FailedStart] = []
        /// Files that keepers which ended in order have left on disk.
        var leftBehind: [String] = []

        /// A server in another process has a journal, and can wait; so can a client of the channel.
        func patience(of writer: Int) -> Patience {
            if writer == ledgers.count - 1 { return .raw }
            return writer == ledgers.count - 2 || driven.contains(writer) ? .untilSessionEnds : patience
        }
    }

    let faults: [FaultRecord]
    /// The most that a killed child can take with it, besides one line cut by that: its pipe, what it has read and not looked at.
    static let pipeByteCount = 65536 + Receipts.readByteCount
    var counts = Counts()
    var violations = Violations()
    var failedStarts: [JudgedStart] = []
    /// Bytes of written lines that each killed child took along, by the number of the life it ended, and of the longest.
    private var lostByteCount: [Int: (all: Int, longest: Int)] = [:]
    /// By the number of a life that a fault ended: when the last line that its child has read began, in microseconds.
    private var lastRead: [Int: UInt64] = [:]

    init(faults: [FaultRecord]) { self.faults = faults }

    /// Lines that no child has received and that must arrive: while it falls, waiting helps.
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
        // What was done to the session itself explains more than what was done to all.
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
        let lost = violations.counts[.lost, default: 0]
        for (writer, ledger) in one.ledgers.enumerated() {
            judge(ledger, writer, one, Judge.faults(own, for: writer, of: one))
        }
        judgeEnds(one, own, lostBefore: lost)
    }

    /// Those that may explain what became of a writer's lines.
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

    // MARK: What arrived

    /// A keeper ends by a fault or when it is told to, and in no other way.
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

    /// The pipe of a killed keeper may end within one line: one it had not handed over whole, so not a written one.
    private mutating func judgeTail(of receipts: Receipts, _ place: String, _ kill: FaultRecord?) {
        let tails = Int(receipts[.tails])
        guard tails > 0 else { return }
        if tails == 1, kill != nil {
            counts.cutTails += 1
        } else {
            violations.add(.torn, "\(place): the input ended within a line")
        }
    }

    // MARK: What the writers were told

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

    /// Whether the fault killed the child in whose pipe a written line can have been, as far as the pipe has room.
    private mutating func takesAlong(
        _ fault: FaultRecord, _ entry: Ledger.Entry, _ sequence: Int, _ writer: Int, _ isOrdered: Bool, _ one: Case,
        _ faults: [FaultRecord],
    ) -> Bool {
        guard let life = fault.life, one.lives.indices.contains(life),
            fault.explainsLoss(of: entry, read: lastRead[life] ?? 0)
        else { return false }
        guard !wasBefore(entry, life, faults) else { return false }
        // What lay in the pipe had not been passed by a line of the same writer.
        guard !isOrdered || one.lives[life].receipts.end(of: writer) <= sequence else { return false }
        var lost = lostByteCount[life] ?? (0, 0)
        lost = (lost.all + entry.byteCount, max(lost.longest, entry.byteCount))
        guard lost.all - lost.longest <= Judge.pipeByteCount else { return false }
        lostByteCount[life] = lost
        return true
    }

    /// Whether the fault ended the keeper in whose memory a line can have been, or its child.
    private func mayHaveHad(_ fault: FaultRecord, _ entry: Ledger.Entry, _ faults: [FaultRecord]) -> Bool {
        guard let life = fault.life, fault.explainsLoss(ofHandedOver: entry, read: lastRead[life] ?? 0) else {
            return false
        }
        return !wasBefore(entry, life, faults)
    }

    /// Whether the life before this one had the line.
    private func wasBefore(_ entry: Ledger.Entry, _ life: Int, _ faults: [FaultRecord]) -> Bool {
        faults.contains { $0.life == life - 1 && entry.time < $0.start }
    }
}
