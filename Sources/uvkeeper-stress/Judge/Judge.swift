/// Compares what the writers were told with what the children received, and says what broke an invariant.
struct Judge {
    /// What was allowed and happened.
    struct Counts: Codable, Equatable {
        var arrived = 0
        var unknownArrived = 0
        var unknownLost = 0
        /// Written lines lost in the pipe of a killed child.
        var lostWithChild = 0
        /// Written lines a killed keeper held while a stalled child's pipe was full, confirmed after the kill.
        var lostInGap = 0
        /// Fragments of clients that disconnected in mid-line.
        var clientFragments = 0
        /// Fragments of a killed server's last line.
        var serverFragments = 0
        /// Lines of a killed server that lines of the next one overtook.
        var overtaken = 0
        /// Ends of input within a line, after a keeper was killed.
        var cutTails = 0
        /// Lines without a completion because the server was killed.
        var pendingAtKill = 0
    }

    /// What a killed child can take with it: its pipe, what it has read and not looked at, and a line cut by that.
    private static let pipeByteCount = 65536 + VerifyingChild.readByteCount + LineFormat.maximumByteCount

    struct Case {
        let index: Int
        let lives: [Session.Life]
        /// By writer number; the last one is the burst's.
        let ledgers: [Ledger]
    }

    let faults: [FaultRecord]
    private(set) var counts = Counts()
    /// Of the session being judged, by its lives: what its writers together have lost with a killed child.
    private var lostByteCount: [Int: Int] = [:]
    var violations = Violations()

    init(faults: [FaultRecord]) { self.faults = faults }

    /// Written lines that no child has received: while it falls, waiting helps.
    static func missing(_ cases: [Case]) -> Int {
        var missing = 0
        for one in cases {
            for (writer, ledger) in one.ledgers.enumerated() {
                for sequence in 0..<ledger.count
                where ledger[sequence].outcome == .written
                    && !one.lives.contains(where: { $0.receipts.hasReceived(writer, sequence) })
                {
                    missing += 1
                }
            }
        }
        return missing
    }

    mutating func judge(_ one: Case) {
        let own = faults.filter { $0.session == nil || $0.session == one.index }
        for (number, life) in one.lives.enumerated() { judge(life, number, one, own) }
        for (writer, ledger) in one.ledgers.enumerated() { judge(ledger, writer, one, own) }
    }

    private mutating func judge(_ life: Session.Life, _ number: Int, _ one: Case, _ faults: [FaultRecord]) {
        let receipts = life.receipts
        let place = "session \(one.index), life \(number)"
        violations.add(.duplicated, count: Int(receipts[.duplicates]), "\(place): a line arrived again")
        violations.add(.phantom, count: Int(receipts[.strange]), "\(place): a line of no writer")
        counts.clientFragments += Int(receipts[.fragments])
        var torn = Int(receipts[.torn])
        var reordered = Int(receipts[.reordered])
        // What a killed server had under way may be cut, and overtaken by what the next server sends.
        let serverWasKilled = faults.contains { $0.kind == .serverKilled }
        for fragment in receipts.fragments where serverWasKilled && isPending(fragment, one) {
            switch fragment.kind {
            case LineFormat.Kind.ordered:
                torn -= 1
                counts.serverFragments += 1
            case Receipts.reorderedKind:
                reordered -= 1
                counts.overtaken += 1
            default: break
            }
        }
        violations.add(.torn, count: torn, "\(place): \(receipts.fragments.first.map { "\($0)" } ?? "a line")")
        violations.add(.reordered, count: reordered, "\(place): a line arrived after a later one")
        if receipts[.tails] > 0 {
            if faults.contains(where: { $0.kind == .keeperKilled && $0.life == number }) {
                counts.cutTails += Int(receipts[.tails])
            } else {
                violations.add(.torn, "\(place): the input ended within a line")
            }
        }
        for (writer, ledger) in one.ledgers.enumerated() where receipts.end(of: writer) > ledger.count {
            violations.add(.phantom, "\(place), writer \(writer): line \(receipts.end(of: writer) - 1) was never sent")
        }
    }

    private func isPending(_ fragment: Receipts.Fragment, _ one: Case) -> Bool {
        guard one.ledgers.indices.contains(fragment.writer) else { return false }
        let ledger = one.ledgers[fragment.writer]
        guard fragment.sequence >= 0, fragment.sequence < ledger.count else { return false }
        return ledger[fragment.sequence].outcome == .pending
    }

    private mutating func judge(_ ledger: Ledger, _ writer: Int, _ one: Case, _ faults: [FaultRecord]) {
        let isOrdered = writer < one.ledgers.count - 1
        var lastLife = 0
        if writer == 0 { lostByteCount = [:] }
        violations.add(.doubledCompletion, count: ledger.doubled, "session \(one.index), writer \(writer)")
        for sequence in 0..<ledger.count {
            let entry = ledger[sequence]
            let place = { "session \(one.index), writer \(writer), line \(sequence) of \(entry.byteCount) bytes" }
            var arrivals = 0
            for (number, life) in one.lives.enumerated() where life.receipts.hasReceived(writer, sequence) {
                arrivals += 1
                if number < lastLife, isOrdered { violations.add(.reordered, "\(place()): in an earlier life") }
                lastLife = number
            }
            if arrivals > 1 { violations.add(.duplicated, count: arrivals - 1, "\(place()): in \(arrivals) lives") }
            switch entry.outcome {
            case .written where arrivals > 0: counts.arrived += 1
            case .written: missed(entry, sequence, writer, one, faults, place())
            case .refused:
                if arrivals > 0 { violations.add(.refusedArrived, place()) }
            case .unknown:
                if arrivals > 0 { counts.unknownArrived += 1 } else { counts.unknownLost += 1 }
                if !faults.contains(where: { $0.explains(one.index, at: entry.time) }) {
                    violations.add(.unexplainedUnknown, "\(place()), at \(Double(entry.time) / 1e6) s")
                }
            case .pending, .none:
                if faults.contains(where: { $0.kind == .serverKilled }) {
                    counts.pendingAtKill += 1
                } else {
                    violations.add(.missingCompletion, place())
                }
            }
        }
    }

    /// A written line that did not arrive: allowed only with a killed child's pipe, or in the gap of a killed keeper.
    private mutating func missed(
        _ entry: Ledger.Entry, _ sequence: Int, _ writer: Int, _ one: Case, _ faults: [FaultRecord],
        _ place: String,
    ) {
        // The life that confirmed it, or, just after a start, the one before.
        let candidates = one.lives.indices.filter { number in
            let isBegun = one.lives[number].readyAt <= entry.time
            let isOver = number + 1 < one.lives.count && one.lives[number + 1].readyAt + 400_000 < entry.time
            // Only what nothing of the same writer has overtaken can have been at the end of a pipe.
            return isBegun && !isOver && one.lives[number].receipts.end(of: writer) <= sequence
        }
        for number in candidates {
            for fault in faults where fault.life == number {
                switch fault.kind {
                case .childKilled where lostByteCount[number, default: 0] + entry.byteCount <= Judge.pipeByteCount:
                    lostByteCount[number, default: 0] += entry.byteCount
                    counts.lostWithChild += 1
                    return
                case .keeperKilled where entry.time >= fault.start:
                    counts.lostInGap += 1
                    return
                default: continue
                }
            }
        }
        violations.add(.lost, "\(place), written at \(Double(entry.time) / 1e6) s")
    }
}
