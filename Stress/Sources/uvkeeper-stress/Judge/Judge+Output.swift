import UVKeeper

/// The judgement of the reports on a child's output, against the bytes it wrote.
///
/// A reader's bytes and gaps must cover a stream without overlap or hole from the place where it began, each byte must
/// be the one of its offset, and none may be beyond the child's output. A gap may only be of bytes older than the kept
/// ones, or of bytes that a fault has kept from being written. At the end of a session every follower must have all
/// bytes up to the end that the record names, and that is the end of the bytes that the child's pipe took.
extension Judge {
    /// The notes of one reader.
    struct Reading {
        enum Whose {
            /// A reader of the harness, for which a session waits before it begins anew.
            case own
            /// A reader of a server in another process, which is killed now and then.
            case driven
            /// A reader of the harness on a connection of its own, which cannot come back to a session that has ended.
            case channel
        }

        let whose: Whose
        let logs: [ChildStream: ReadLog]
        /// Wrong or failing reports of the library or the keeper.
        let failures: [String]

        init(_ whose: Whose, _ logs: [ChildStream: ReadLog], failures: [String] = []) {
            self.whose = whose
            self.logs = logs
            self.failures = failures
        }
    }

    /// The most that a pipe holds.
    static let pipeCapacity: UInt64 = 65536
    /// The most that a keeper has read from a pipe and not yet written.
    static let bufferCapacity: UInt64 = 65536

    /// A stream of a life, as one reader reads it.
    private struct Visit {
        let life: Int
        var offset: UInt64
        /// Bytes reported as gone although their age does not explain it.
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

    /// Judges the record of an end: it must name the number of bytes that the child's pipes took.
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

    /// Judges lost output: a keeper may lose output only by a fault.
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
                // The session should have waited for the harness's own readers.
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

    /// Judges a reader that left a life before its end, which a reader of the harness must not.
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
            // The same rules apply as for a gap before the start.
            guard from > 0, from + one.keptOutput >= entry.range.upperBound,
                !Judge.mayBeRemoved(life, at: entry.time, reading, one, faults)
            else { return }
            // Older bytes have gone because of their age.
            let aged = entry.range.upperBound - min(entry.range.upperBound, one.keptOutput)
            if Judge.loss(of: aged..<from, stream, in: life, one, faults) == nil {
                violations.add(.outputHole, "\(place): begins too late")
            }
        case .end, .last:
            // The keeper had read the written bytes, except those in a pipe, and written what it had read, unless it was
            // killed in between.
            let isKilled = faults.contains { $0.kind == .keeperKilled && $0.ended(life: life) }
            let unwritten = Judge.pipeCapacity + (isKilled ? Judge.bufferCapacity : 0)
            let least = from + unwritten + (entry.start == .last ? ReadLog.longestLast : 0)
            if least < entry.offered, Judge.loss(of: from..<entry.offered, stream, in: life, one, faults) == nil {
                violations.add(.outputHole, "\(place): begins too early")
            }
        }
    }

    /// Returns the fault that has kept the first of these bytes from being written, if faults have kept all of them.
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

    /// Judges that bytes or a gap begin at the end of the last ones, and end within the child's output.
    private mutating func judgeStep(_ entry: ReadLog.Entry, _ visit: inout Visit, _ place: String) {
        if entry.range.lowerBound > visit.offset {
            violations.add(.outputHole, place)
        } else if entry.range.lowerBound < visit.offset {
            violations.add(.outputDoubled, place)
        }
        if entry.range.upperBound > entry.offered { violations.add(.outputBeyond, place) }
        visit.offset = entry.range.upperBound
    }

    /// True if the next life of the session may have removed this one's output: it waits only for the harness's own
    /// readers.
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
        // A segment is removed when more bytes than are to be kept have come after it.
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

    /// Judges the end of a life: all readers must be told the same end, which is the record's. If a keeper could write
    /// neither its last output nor its record, its files end before the bytes that a reader at the end got.
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
        // The lost bytes may be more: a reader at the end gets bytes that the disk did not take.
        if let lost = life.lost?[stream], visit.losses > lost {
            violations.add(
                .outputGap, "\(place): \(visit.losses) bytes are gone, the keeper says that it could not write \(lost)")
        }
    }
}
