import TestSupport
import Testing

@testable import uvkeeper_stress

/// What the harness lets pass, and what it does not.
@Suite struct JudgeTests {
    @Test("a written line that arrived is good, one that did not is lost") func lost() throws {
        try withRun { run in
            run.send(.written, received: 0)
            run.send(.written)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("a killed keeper excuses no written line, even if its child was stopped before") func keeperKilled() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.fault(.childStopped, 900, 1_100)
            run.fault(.keeperKilled, 900, 1_200, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("a killed child takes along what was written last") func childKilled() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 900, received: 0)
            run.send(.written, at: 1_000)
            run.send(.written, at: 1_300, received: 1)
            let fault = run.fault(.childKilled, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [:])
            #expect(fault.excused.lost == 1 && fault.excused.total == 1)
        }
    }

    @Test("but not what a later line of the same writer has passed") func passed() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.send(.written, at: 1_010, received: 0)
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("nor what was written long before it, or after it", arguments: [1_000, 9_000]) func outside(time: UInt64)
        throws
    {
        try withRun(lives: 2) { run in
            run.send(.written, at: time)
            run.fault(.childKilled, 5_000, 5_100, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("nor more than its pipe and its buffer hold") func pipe() throws {
        try withRun(lives: 2) { run in
            for _ in 0..<5 { run.send(.written, at: 1_000, byteCount: 40_000) }
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            // 64 KiB in the pipe, 64 KiB read, one line cut.
            #expect(run.verdict(longestLine: 40_000) == [.lost: 1])
        }
    }

    @Test("a refused line must not arrive") func refusedArrived() throws {
        try withRun { run in
            run.send(.refused, at: 1_000, received: 0)
            run.fault(.socketRemoved, 900, 1_100)
            #expect(run.verdict() == [.refusedArrived: 1])
        }
    }

    @Test(
        "a refusal needs a fault that can cause it",
        arguments: FaultRecord.Kind.allCases)
    func refusal(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.send(.refused, at: 1_000, latency: 50)
            let fault = run.fault(kind, 900, 1_100)
            let harmless: [FaultRecord.Kind] = [
                .pidFileGarbled, .staleFiles, .keeperExhausted, .clientDisconnected, .serverKilled, .spawnWave,
            ]
            #expect(run.verdict() == (harmless.contains(kind) ? [.unexplainedRefusal: 1] : [:]))
            #expect(fault.excused.refused == (harmless.contains(kind) ? 0 : 1))
        }
    }

    @Test("an unknown outcome needs a keeper that could not confirm", arguments: FaultRecord.Kind.allCases)
    func unknown(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.send(.unknown, at: 1_000, latency: 50, received: 0)
            run.send(.unknown, at: 1_000, latency: 50)
            let fault = run.fault(kind, 900, 1_100)
            let guilty: [FaultRecord.Kind] = [
                .keeperKilled, .keeperStopped, .childKilled, .childStopped, .slowReader, .backlogOverflow,
                .machineStalled,
            ]
            #expect(run.verdict() == (guilty.contains(kind) ? [:] : [.unexplainedUnknown: 2]))
            #expect(fault.excused.unknown == (guilty.contains(kind) ? 2 : 0))
        }
    }

    @Test("a fault explains nothing before it, long after it, or in another session") func window() throws {
        try withRun { run in
            run.send(.refused, at: 800)
            run.send(.refused, at: 1_700, latency: 50)
            run.fault(.keeperStopped, 900, 1_100)
            run.fault(.keeperStopped, 700, 1_800, session: 1)
            #expect(run.verdict() == [.unexplainedRefusal: 2])
        }
        try withRun { run in
            run.send(.refused, at: 1_700, latency: 700)
            run.fault(.keeperStopped, 900, 1_100)
            #expect(run.verdict() == [:], "it was under way")
        }
    }

    @Test("more than the load's own limit is refused without a fault, and does not arrive") func overflow() throws {
        try withRun { run in
            run.send(.overflowed)
            #expect(run.verdict() == [:])
            run.send(.overflowed, received: 0)
            #expect(run.verdict() == [.refusedArrived: 1])
        }
    }

    @Test("a line without an outcome is missing one, unless its server was killed after it was sent") func pending()
        throws
    {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000)
            #expect(run.verdict() == [.missingCompletion: 1])
            run.fault(.serverKilled, 900, 950)
            #expect(run.verdict() == [.missingCompletion: 1], "it was killed before")
            let fault = run.fault(.serverKilled, 1_100, 1_150)
            #expect(run.verdict() == [:])
            #expect(fault.excused.pending == 1)
        }
    }

    @Test("a killed server goes on until it has ended", arguments: [1_110, 1_120, 1_121]) func lastLines(time: UInt64)
        throws
    {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: time)
            run.fault(.serverKilled, 1_100, 1_150).serverEnd = 1_120_000
            #expect(run.verdict() == (time <= 1_120 ? [:] : [.missingCompletion: 1]))
        }
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_050)
            run.send(.unknown, at: time, latency: 0)
            run.fault(.keeperStopped, 900, 1_200)
            run.fault(.serverKilled, 1_100, 1_150).serverEnd = 1_120_000
            // With an outcome it is that server's own if it began by then, so the one before it was forgotten.
            #expect(run.verdict() == (time <= 1_120 ? [.missingCompletion: 1] : [:]))
        }
    }

    @Test("another server's end is no excuse for a line of the harness") func ownPending() throws {
        try withRun { run in
            run.send(.pending, at: 1_000, received: 0)
            run.note(.torn, LineFormat.Kind.ordered)
            run.fault(.serverKilled, 1_100, 1_150)
            #expect(run.verdict() == [.missingCompletion: 1, .torn: 1])
        }
    }

    @Test(
        "a killed server had forgotten a line if it had completed a later one of the same writer",
        arguments: [Ledger.Outcome.written, .refused, .unknown, .overflowed])
    func forgotten(outcome: Ledger.Outcome) throws {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000)
            run.send(outcome, at: 1_050, received: outcome == .written ? 0 : nil)
            run.send(.pending, at: 1_060)
            run.fault(.serverKilled, 1_100, 1_150)
            run.fault(.socketRemoved, 900, 1_100)
            run.fault(.keeperStopped, 900, 1_100)
            // The next server's.
            run.send(.written, at: 1_300, received: 0)
            #expect(run.verdict() == (outcome == .overflowed ? [:] : [.missingCompletion: 1]))
        }
    }

    @Test("a keeper that ends by itself is noticed, also if another fault could not be injected") func endedByItself()
        throws
    {
        try withRun(lives: 2) { run in
            #expect(run.verdict() == [.recovery: 1])
            let fault = run.fault(.keeperKilled, 900, 1_000, life: 0)
            #expect(run.verdict() == [:])
            fault.fail(StressError("there is no such process"))
            #expect(run.verdict() == [.recovery: 1])
        }
    }

    @Test("a second completion is noticed") func doubled() throws {
        try withRun { run in
            run.send(.written, received: 0)
            run.ledger.complete(0, .written, latency: 1, time: 1)
            #expect(run.verdict() == [.doubledCompletion: 1])
        }
    }

    @Test("a line in two lives is duplicated, one in an earlier life than the line before it is late") func lives()
        throws
    {
        try withRun(lives: 2) { run in
            run.fault(.keeperKilled, 900, 950, life: 0)
            run.send(.written, received: 0)
            run.receive(0, in: 1)
            #expect(run.verdict() == [.duplicated: 1])
        }
        try withRun(lives: 2) { run in
            run.fault(.keeperKilled, 900, 950, life: 0)
            run.send(.written, received: 1)
            run.send(.written, received: 0)
            #expect(run.verdict() == [.reordered: 1])
        }
    }

    @Test("a child received nothing that was not sent") func phantom() throws {
        try withRun { run in
            run.receive(3, in: 0)
            #expect(run.verdict() == [.phantom: 1])
        }
    }

    @Test("torn and late lines are a killed server's only if they were under way in it") func fragments() throws {
        for outcome in [Ledger.Outcome.pending, .written] {
            try withRun(isDriven: true) { run in
                run.send(outcome, at: 1_000, received: 0)
                run.fault(.serverKilled, 1_001, 1_100)
                run.send(.written, at: 1_200, received: 0)
                run.note(.torn, LineFormat.Kind.ordered)
                run.note(.reordered, Receipts.reorderedKind, 2)
                #expect(run.verdict() == (outcome == .pending ? [:] : [.torn: 1, .reordered: 1]))
            }
        }
    }

    @Test("a killed server's line may be overtaken by the next one's, not by its own") func overtaken() throws {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000, received: 0)
            run.send(.pending, at: 1_001, received: 0)
            run.fault(.serverKilled, 1_010, 1_100)
            run.note(.reordered, Receipts.reorderedKind, 2)
            #expect(run.verdict() == [.reordered: 1])
        }
    }

    @Test(
        "an unknown line may come late if its server was killed while its connection was open",
        arguments: [1_200, 5_000])
    func lateUnknown(kill: UInt64) throws {
        try withRun(isDriven: true) { run in
            run.send(.unknown, at: 1_000, received: 0)
            run.fault(.keeperStopped, 900, 1_500)
            run.send(.written, at: 6_000, received: 0)
            run.note(.reordered, Receipts.reorderedKind, 2)
            #expect(run.verdict() == [.reordered: 1], "of one server, lines stay in order")
            run.fault(.serverKilled, kill, kill + 100)
            #expect(run.verdict() == (kill < 1_500 ? [:] : [.reordered: 1]))
        }
    }

    @Test("an input ends within a line only if its keeper was killed") func tails() throws {
        try withRun { run in
            run.receipts[0][.tails] = 1
            #expect(run.verdict() == [.torn: 1])
            run.fault(.keeperKilled, 900, 1_000, life: 0)
            #expect(run.verdict() == [:])
        }
    }

    @Test("the end of an input is no excuse for a torn line") func tornBesideTail() throws {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000)
            run.fault(.serverKilled, 1_001, 1_100)
            run.fault(.keeperKilled, 900, 1_000, life: 0)
            run.note(.tails, Receipts.tailKind)
            run.receipts[0][.torn] = 1
            #expect(run.verdict() == [.torn: 1])
        }
    }

    @Test("there are no more fragments of clients than clients that disconnected") func clientFragments() throws {
        try withRun { run in
            run.receipts[0][.fragments] = 2
            run.fault(.clientDisconnected, 900, 1_000)
            #expect(run.verdict() == [.torn: 1])
            run.fault(.clientDisconnected, 900, 1_000, session: 1)
            #expect(run.verdict() == [.torn: 1], "of another session")
            run.fault(.clientDisconnected, 950, 1_000)
            #expect(run.verdict() == [:])
        }
    }

    @Test("a child took nothing along that was written before a line it has read was begun") func pipeOrder() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.sendBurst(.written, at: 1_010, latency: 5, received: 0)
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.sendBurst(.written, at: 1_010, latency: 50, received: 0)
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [:], "it was begun before, and was perhaps written first")
        }
    }

    @Test("clients of a full backlog wait and get through") func burst() throws {
        for kind in [FaultRecord.Kind.backlogOverflow, .keeperExhausted, .keeperStopped] {
            try withRun { run in
                run.sendBurst(.refused, at: 1_000, latency: 950)
                run.sendBurst(.unknown, at: 1_000, latency: 950)
                run.fault(kind, 900, 1_100)
                let isExplained = kind == .keeperStopped
                #expect(run.verdict() == (isExplained ? [:] : [.unexplainedRefusal: 1, .unexplainedUnknown: 1]))
            }
        }
    }

    @Test("a keeper out of descriptors refuses no line that has attempts left", arguments: [799, 800])
    func exhausted(latency: UInt64) throws {
        // Two attempts of 350 ms and pauses of 50 and 150, less what a loop may be late.
        try withRun { run in
            run.send(.refused, at: 2_000, latency: latency)
            let fault = run.fault(.keeperExhausted, 1_000, 2_100)
            #expect(run.verdict() == (latency < 800 ? [.unexplainedRefusal: 1] : [:]))
            #expect(fault.excused.refused == (latency < 800 ? 0 : 1))
        }
    }

    @Test("nor is a line unknown before an attempt is over; what it joined late is after it", arguments: [249, 250])
    func exhaustedUnknown(latency: UInt64) throws {
        try withRun { run in
            run.send(.unknown, at: 2_000, latency: latency)
            run.fault(.keeperExhausted, 1_000, 2_100)
            #expect(run.verdict() == (latency < 250 ? [.unexplainedUnknown: 1] : [:]))
        }
        try withRun { run in
            run.send(.unknown, at: 2_101, latency: latency)
            run.send(.unknown, at: 2_101 + 1_500 + latency, latency: latency)
            run.fault(.keeperExhausted, 1_000, 2_100)
            #expect(run.verdict() == [.unexplainedUnknown: 1], "it accepts again within a second")
        }
    }

    @Test("nor does it lose, tear or end anything") func exhaustedKeeps() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_500)
            run.note(.tails, Receipts.tailKind)
            run.fault(.keeperExhausted, 1_000, 2_000, life: 0)
            #expect(run.verdict() == [.lost: 1, .torn: 1, .recovery: 1])
        }
    }

    @Test("where nothing piles up, nothing is worked off afterwards", arguments: FaultRecord.Kind.allCases)
    func aftermath(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.send(.refused, at: 1_400)
            run.fault(kind, 900, 1_100)
            let lasting: [FaultRecord.Kind] = [
                .keeperKilled, .keeperStopped, .childKilled, .childStopped, .slowReader, .backlogOverflow,
                .machineStalled,
            ]
            #expect(run.verdict() == (lasting.contains(kind) ? [:] : [.unexplainedRefusal: 1]))
        }
    }

    @Test("a server that waited for a processor is no excuse for another", arguments: [false, true])
    func stalled(isDriven: Bool) throws {
        for scope in [FaultRecord.Scope.own, .driven, .everybody] {
            try withRun(isDriven: isDriven) { run in
                run.send(.unknown, at: 1_000)
                run.fault(.machineStalled, 900, 1_100, scope: scope)
                let isOther = scope == (isDriven ? .own : .driven)
                #expect(run.verdict() == (isOther ? [.unexplainedUnknown: 1] : [:]))
            }
        }
    }
}

/// A session with one ordered writer, made by hand. Times are in milliseconds.
private final class HandmadeRun {
    let ledger: Ledger
    let burst: Ledger
    let receipts: [Receipts]
    private let isDriven: Bool
    private var faults: [FaultRecord] = []

    init(_ directory: String, lives: Int, isDriven: Bool) throws {
        self.isDriven = isDriven
        ledger = try Ledger("\(directory)/l0")
        burst = try Ledger("\(directory)/l1")
        receipts = try (0..<lives).map { try Receipts("\(directory)/r\($0)", writers: 2) }
    }

    func send(
        _ outcome: Ledger.Outcome, at time: UInt64 = 1_000, latency: UInt64 = 1, byteCount: Int = 64,
        received life: Int? = nil,
    ) {
        let sequence = ledger.begin(byteCount: byteCount, time: time * 1000)
        if outcome != .pending { ledger.complete(sequence, outcome, latency: latency * 1000, time: time * 1000) }
        if let life { receive(sequence, in: life) }
    }

    func sendBurst(_ outcome: Ledger.Outcome, at time: UInt64, latency: UInt64 = 1, received life: Int? = nil) {
        let sequence = burst.begin(byteCount: 64, time: time * 1000)
        burst.complete(sequence, outcome, latency: latency * 1000, time: time * 1000)
        if let life { receipts[life].note(1, sequence, isOrdered: false) }
    }

    func receive(_ sequence: Int, in life: Int) { receipts[life].note(0, sequence, isOrdered: true) }

    /// What a child finds in its input, of the first line.
    func note(_ counter: Receipts.Counter, _ kind: UInt8, _ byteCount: Int = 64) {
        receipts[0][counter] += 1
        receipts[0].note(Receipts.Fragment(kind: kind, writer: 0, sequence: 0, byteCount: byteCount))
    }

    @discardableResult
    func fault(
        _ kind: FaultRecord.Kind, _ start: UInt64, _ end: UInt64, session: Int = 0, life: Int? = nil,
        scope: FaultRecord.Scope? = nil,
    ) -> FaultRecord {
        let isEverybodys = kind == .serverKilled
        let record = FaultRecord(
            kind, scope, session: isEverybodys ? nil : session, life: life, start: start * 1000, end: end * 1000)
        faults.append(record)
        return record
    }

    func verdict(longestLine: Int = 64) -> [Violations.Kind: Int] {
        var judge = Judge(faults: faults, longestLine: longestLine)
        let lives = receipts.map { Session.Life($0, keeper: nil, keeperPID: 0) }
        judge.judge(Judge.Case(index: 0, lives: lives, ledgers: [ledger, burst], driven: 0..<(isDriven ? 1 : 0)))
        return judge.violations.counts
    }
}

private func withRun(lives: Int = 1, isDriven: Bool = false, _ body: (HandmadeRun) throws -> Void) throws {
    try withTemporaryDirectory { try body(try HandmadeRun($0, lives: lives, isDriven: isDriven)) }
}
