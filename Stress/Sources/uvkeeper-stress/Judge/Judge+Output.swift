import UVKeeper

/// What readers were told of a child's output, against what it wrote.
///
/// The bytes that a reader got and the gaps that it was told of tile a stream from where it began: no byte twice, none left out,
/// each the one of its offset, and none that the child did not write. A gap is of bytes that were older than what is kept, or that
/// a fault has kept from being written. At the end of a session everybody who follows has all up to the end that the record
/// names, and that is what the child's pipe took.
extension Judge {
    /// What one reader has noted.
    struct Reading {
        enum Whose {
            /// Of the harness: a session waits for it before it begins anew.
            case own
            /// Of a server in another process, which is killed now and then.
            case driven
            /// Of the harness, on a connection of its own: nothing brings it back to a session that has ended.
            case channel
        }

        let whose: Whose
        let logs: [ChildStream: ReadLog]
        /// What the library, or the keeper, said that it had better not have said.
        let failures: [String]

        init(_ whose: Whose, _ logs: [ChildStream: ReadLog], failures: [String] = []) {
            self.whose = whose
            self.logs = logs
            self.failures = failures
        }
    }

    /// The most that a pipe holds.
    static let pipeCapacity: UInt64 = 65536

    /// A stream of a life, as somebody reads it.
    private struct Visit {
        let life: Int
        var offset: UInt64
        /// Told as gone, although their age does not explain it.
        var losses: UInt64 = 0
        var isOver = false
    }

    mutating func judgeOutput(_ one: Case, _ faults: [FaultRecord]) {
        judgeExits(one)
        judgeLosses(one, faults)
        var ends: [String: UInt64] = [:]
        for (number, reading) in one.readings.enumerated() {
            for (stream, log) in reading.logs.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                judge(log, stream, number, reading, one, faults, &ends)
            }
            if reading.whose == .channel {
                violations.add(
                    .outputGarbled, count: reading.failures.count,
                    "session \(one.index): \(reading.failures.first ?? "")")
            }
        }
    }

    /// The record of an end says how much the child's pipes took.
    private mutating func judgeExits(_ one: Case) {
        for (number, life) in one.lives.enumerated() where life.receipts[.outputKey] > 0 {
            for (stream, end) in life.ends ?? [:] {
                let written = life.receipts.written(stream)
                guard !written.contains(end) else { continue }
                violations.add(
                    .outputMissing,
                    "session \(one.index), life \(number): the record says that \(stream) has \(end) bytes, "
                        + "the child has written \(written)")
            }
        }
    }

    /// A keeper loses output only by a fault.
    private mutating func judgeLosses(_ one: Case, _ faults: [FaultRecord]) {
        for (number, life) in one.lives.enumerated() {
            for stream in ChildStream.allCases {
                let lost = life.lost?[stream] ?? 0
                guard lost > 0, !faults.contains(where: { $0.losesOutput(in: number, of: one.index) }) else { continue }
                violations.add(
                    .outputGap, "session \(one.index), life \(number): \(lost) bytes of \(stream) could not be written")
            }
        }
    }

    private mutating func judge(
        _ log: ReadLog, _ stream: ChildStream, _ reader: Int, _ reading: Reading, _ one: Case, _ faults: [FaultRecord],
        _ ends: inout [String: UInt64],
    ) {
        var visit: Visit?
        for number in 0..<log.count {
            let entry = log[number]
            let place = {
                "session \(one.index), life \(visit?.life ?? -1), reader \(reader), \(stream), at "
                    + "\(Double(entry.time) / 1e6) s: \(entry.event) \(entry.range), \(entry.offered) written, at "
                    + "\(visit?.offset ?? 0)"
            }
            switch entry.event {
            case .begins:
                let life = one.lives.lastIndex { $0.receipts[.epoch] == entry.epoch }
                guard let life else {
                    violations.add(.outputBeyond, "\(place()): of no life of the session")
                    visit = nil
                    continue
                }
                if let visit, visit.life == life, !visit.isOver {
                    if entry.range.lowerBound != visit.offset {
                        violations.add(.outputHole, "\(place()): goes on elsewhere")
                    }
                    continue
                }
                if let visit, !visit.isOver { judgeAbandoned(visit, reading, place()) }
                visit = Visit(life: life, offset: entry.range.lowerBound)
                judgeStart(entry, stream, life, reading, one, faults, place())
            case .bytes:
                guard visit != nil else { continue }
                judgeStep(entry, &visit!, place())
                counts.outputBytes += entry.range.count
            case .wrong: violations.add(.outputWrong, place())
            case .gap:
                guard visit != nil else { continue }
                judgeStep(entry, &visit!, place())
                judgeGap(entry, stream, &visit!, reading, one, faults, place())
            case .ends, .finished:
                guard visit != nil else { continue }
                if visit!.offset != entry.range.upperBound { violations.add(.outputMissing, place()) }
                if entry.event == .ends { judgeEnd(entry, stream, visit!, one, faults, &ends, place()) }
                visit!.isOver = true
            case .endsUnknown:
                guard visit != nil else { continue }
                judgeEnd(entry, stream, visit!, one, faults, &ends, place())
                visit!.isOver = true
            case .anew:
                // Its session waits for the harness's own readers.
                if reading.whose == .own { violations.add(.outputMissing, place()) }
                visit?.isOver = true
            case .failed:
                if !faults.contains(where: { $0.endsReads(at: entry.time, of: reading.whose == .driven) }) {
                    violations.add(.readFailed, "\(place()): \(reading.failures)")
                }
            case .stopped, .none: break
            }
        }
        if let visit, !visit.isOver {
            judgeAbandoned(visit, reading, "session \(one.index), life \(visit.life), reader \(reader), \(stream)")
        }
        if log.isFull { violations.add(.outputMissing, "session \(one.index), reader \(reader): its log is full") }
    }

    /// A reader of the harness stays with a life until that ends.
    private mutating func judgeAbandoned(_ visit: Visit, _ reading: Reading, _ place: String) {
        guard reading.whose == .own else { return }
        violations.add(.outputMissing, "\(place): was not told the end, at \(visit.offset)")
    }

    private mutating func judgeStart(
        _ entry: ReadLog.Entry, _ stream: ChildStream, _ life: Int, _ reading: Reading, _ one: Case,
        _ faults: [FaultRecord], _ place: String,
    ) {
        let from = entry.range.lowerBound
        guard from <= entry.range.upperBound else { return violations.add(.outputBeyond, place) }
        switch entry.start {
        case .offset: break
        case .start:
            // As for a gap before it.
            guard from > 0, from + one.keptOutput >= entry.range.upperBound,
                !Judge.mayBeRemoved(life, at: entry.time, reading, one, faults)
            else { return }
            // What is older has gone for that.
            let aged = entry.range.upperBound - min(entry.range.upperBound, one.keptOutput)
            if Judge.loss(of: aged..<from, stream, in: life, one, faults) == nil {
                violations.add(.outputHole, "\(place): begins too late")
            }
        case .end, .last:
            // The keeper had read what had been written, but for what is in a pipe.
            let least = from + Judge.pipeCapacity + (entry.start == .last ? ReadLog.longestLast : 0)
            if least < entry.offered, Judge.loss(of: from..<entry.offered, stream, in: life, one, faults) == nil {
                violations.add(.outputHole, "\(place): begins too early")
            }
        }
    }

    /// The fault that has kept the first of these bytes from being written, if faults have kept all of them.
    private static func loss(
        of range: Range<UInt64>, _ stream: ChildStream, in life: Int, _ one: Case, _ faults: [FaultRecord],
    ) -> FaultRecord? {
        var first: FaultRecord?
        var place = range.lowerBound
        while let fault = faults.first(where: { $0.lost(stream, in: life, of: one.index)?.contains(place) == true }) {
            first = first ?? fault
            place = fault.lost(stream, in: life, of: one.index)?.upperBound ?? .max
            if place >= range.upperBound { return first }
        }
        return nil
    }

    /// Bytes or a gap begin where the last ones ended, and end where the child has written.
    private mutating func judgeStep(_ entry: ReadLog.Entry, _ visit: inout Visit, _ place: String) {
        if entry.range.lowerBound > visit.offset {
            violations.add(.outputHole, place)
        } else if entry.range.lowerBound < visit.offset {
            violations.add(.outputDoubled, place)
        }
        if entry.range.upperBound > entry.offered { violations.add(.outputBeyond, place) }
        visit.offset = entry.range.upperBound
    }

    /// Whether the next life of its session may have removed what this one has left: it waits for the harness's own readers only.
    private static func mayBeRemoved(
        _ life: Int, at time: UInt64, _ reading: Reading, _ one: Case, _ faults: [FaultRecord],
    ) -> Bool {
        reading.whose == .driven && life < one.lives.count - 1
            && faults.contains { $0.ended(life: life) && time >= $0.start }
    }

    private mutating func judgeGap(
        _ entry: ReadLog.Entry, _ stream: ChildStream, _ visit: inout Visit, _ reading: Reading, _ one: Case,
        _ faults: [FaultRecord], _ place: String,
    ) {
        // A segment goes when more than what is to be kept has come after it.
        let aged = entry.offered - min(entry.offered, one.keptOutput)
        let rest = min(max(entry.range.lowerBound, aged), entry.range.upperBound)..<entry.range.upperBound
        counts.agedBytes += entry.range.count - rest.count
        guard !rest.isEmpty else { return }
        if Judge.mayBeRemoved(visit.life, at: entry.time, reading, one, faults) {
            counts.removedBytes += rest.count
            return
        }
        visit.losses += UInt64(rest.count)
        if let fault = Judge.loss(of: rest, stream, in: visit.life, one, faults) {
            fault.excused.output += rest.count
        } else {
            violations.add(.outputGap, place)
        }
    }

    /// Everybody is told the same end of a life, and it is the record's. If a keeper could write neither its last output nor its
    /// record, its files end before what a reader at the end got.
    private mutating func judgeEnd(
        _ entry: ReadLog.Entry, _ stream: ChildStream, _ visit: Visit, _ one: Case, _ faults: [FaultRecord],
        _ ends: inout [String: UInt64], _ place: String,
    ) {
        let key = "\(visit.life) \(stream)"
        let life = one.lives[visit.life]
        for (end, whose) in [(ends[key], "another reader was told"), (life.ends?[stream], "the record says")] {
            guard let end, end != visit.offset else { continue }
            let missing = min(end, visit.offset)..<max(end, visit.offset)
            guard Judge.loss(of: missing, stream, in: visit.life, one, faults) == nil else { continue }
            violations.add(.outputMissing, "\(place): \(whose) that it ends at \(end)")
        }
        ends[key] = max(ends[key] ?? 0, visit.offset)
        // More may have been lost: a reader at the end gets bytes that the disk did not take.
        if let lost = life.lost?[stream], visit.losses > lost {
            violations.add(
                .outputGap, "\(place): \(visit.losses) bytes are gone, the keeper says that it could not write \(lost)")
        }
    }
}
