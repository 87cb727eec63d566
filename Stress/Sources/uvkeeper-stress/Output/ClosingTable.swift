/// The findings of a run, as a table for people.
enum ClosingTable {
    static func text(_ result: RunResult) -> String {
        let rows = rows(result)
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { $0.0 + String(repeating: " ", count: width + 2 - $0.0.count) + $0.1 }.joined(separator: "\n")
    }

    /// Returns the rows: for each its subject, and its text.
    static func rows(_ result: RunResult) -> [(String, String)] {
        var rows: [(String, String)] = []
        let lines = result.lines
        let seconds = max(0.001, result.seconds)
        rows.append(("scenario", "\(result.scenario), seed \(result.seed), \(Texts.decimal(result.seconds)) s"))
        rows.append(
            (
                "sessions",
                "\(result.sessions) x \(result.writers) writers, \(result.keeperStarts) keepers started, "
                    + "\(result.failedStarts.count) starts failed"
            ))
        rows.append(
            (
                "lines",
                "\(Texts.count(lines.sent)) sent: \(Texts.count(lines.written)) written, "
                    + "\(Texts.count(lines.refused + lines.overflowed)) refused, \(Texts.count(lines.unknown)) unknown"
            ))
        rows.append(
            (
                "rate",
                "\(Texts.count(Int(Double(lines.written) / seconds))) lines/s, "
                    + "\(Texts.bytes(Double(lines.bytes) / seconds))/s"
            ))
        if lines.written > 0 { rows.append(("latency", "\(result.latency)")) }
        rows.append(("loop lag", "\(result.lag); bound \(Texts.time(result.lagBound))"))
        if result.start.max > 0 { rows.append(("keeper start", "\(result.start)")) }
        if let most = result.memoryPerKeeper.max() {
            let mean = result.memoryPerKeeper.reduce(0, +) / UInt64(result.memoryPerKeeper.count)
            rows.append(("keeper memory", "mean \(Texts.bytes(Double(mean))), most \(Texts.bytes(Double(most)))"))
        }
        rows += arrivals(result)
        if result.judged.outputBytes > 0 {
            let judged = result.judged
            var text = "\(Texts.bytes(Double(judged.outputBytes))) read and checked"
            if judged.agedBytes > 0 { text += ", \(Texts.bytes(Double(judged.agedBytes))) gone for newer ones" }
            if judged.removedBytes > 0 {
                text += ", \(Texts.bytes(Double(judged.removedBytes))) of lives before removed"
            }
            rows.append(("output", text))
        }
        if result.lines.overflowed > 0 {
            rows.append(
                (
                    "overload",
                    "\(Texts.count(result.lines.overflowed)) of the refused lines were more than the load's own limit "
                        + "lets wait for a session"
                ))
        }
        if !result.faults.isEmpty {
            rows.append(("faults", faults(result)))
            let excused = excuses(result)
            if !excused.isEmpty { rows.append(("excused by", excused)) }
        }
        if !result.failedStarts.isEmpty { rows.append(("failed starts", failedStarts(result))) }
        for note in result.notes { rows.append(("note", note)) }
        for text in result.told { rows.append(("VIOLATION", text)) }
        let broken = result.violations.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        if let incomplete = result.incomplete { rows.append(("INCOMPLETE", incomplete)) }
        rows.append(
            ("verdict", broken.isEmpty ? "all invariants hold" : "broken: \(broken.joined(separator: ", "))"))
        if !broken.isEmpty { rows.append(("again", result.replay)) }
        return rows
    }

    private static func arrivals(_ result: RunResult) -> [(String, String)] {
        let judged = result.judged
        var rows = [("arrived", "\(Texts.count(judged.arrived)) of \(Texts.count(result.lines.written)) written lines")]
        let parts = [
            (judged.unknownArrived, "of the unknown lines arrived"),
            (judged.unknownLost, "of the unknown lines did not"),
            (judged.lostWithChild, "written lines died in the pipe of a killed child"),
            (judged.clientFragments, "fragments of clients that disconnected in mid-line"),
            (judged.lostWithKeeper, "lines handed over to the raw socket died with their keeper or its child"),
            (judged.cutTails, "lines cut by the end of a killed keeper"),
            (judged.pendingAtKill, "of the unknown lines were under way in the last server, which was killed"),
        ]
        let text = parts.filter { $0.0 > 0 }.map { "\(Texts.count($0.0)) \($0.1)" }
        if result.lines.handedOver > 0 {
            rows.append(
                (
                    "handed over",
                    "\(Texts.count(judged.handedOver)) of \(Texts.count(result.lines.handedOver)) lines to the raw socket "
                        + "arrived"
                ))
        }
        if !text.isEmpty { rows.append(("allowed", text.joined(separator: "; "))) }
        return rows
    }

    /// Returns the numbers of failed starts that each kind of fault explains, and of those that none does.
    private static func failedStarts(_ result: RunResult) -> String {
        Dictionary(grouping: result.failedStarts) { $0.explainedBy.map { "by \($0)" } ?? "for nothing" }
            .sorted { $0.key < $1.key }.map { "\($0.value.count) \($0.key)" }.joined(separator: ", ")
    }

    /// Returns the lines that each kind of fault explains.
    private static func excuses(_ result: RunResult) -> String {
        var sums: [String: FaultRecord.Excused] = [:]
        for fault in result.faults { sums[fault.kind, default: .init()].add(fault.excused) }
        return sums.sorted { $0.key < $1.key }.filter { $0.value.total > 0 }.map { "\($0.key) (\($0.value))" }
            .joined(separator: ", ")
    }

    private static func faults(_ result: RunResult) -> String {
        var counts: [String: (injected: Int, failed: Int)] = [:]
        for fault in result.faults {
            let kind = fault.kind + ((fault.session ?? 0) >= FaultInjector.firstWaveSession ? " in waves" : "")
            if fault.failed {
                counts[kind, default: (0, 0)].failed += 1
            } else {
                counts[kind, default: (0, 0)].injected += 1
            }
        }
        return counts.sorted { $0.key < $1.key }.map { kind, count in
            "\(count.injected) \(kind)" + (count.failed == 0 ? "" : " (\(count.failed) more could not be injected)")
        }
        .joined(separator: ", ")
    }
}
