import TestSupport
import UVKeeper

@testable import uvkeeper_stress

/// A session with one ordered writer, made by hand. Times are in milliseconds.
final class HandmadeRun {
    let ledger: Ledger
    let clients: Ledger
    let burst: Ledger
    let receipts: [Receipts]
    /// That of its lines.
    var patience = Patience.attempts
    var failedStarts: [FailedStart] = []
    var leftBehind: [String] = []
    /// How each keeper ended.
    var exits: [ProcessExit?]
    /// What was said of the end of each life.
    var ends: [LifeEnd?]
    /// What a client of the first life was told of its end, and how far its lines were acknowledged.
    var exitMessages: [String] = []
    var clientsOfFirst: [String: Int] = [:]
    /// True if every keeper was told to end.
    var wereToldToEnd = false
    private let isDriven: Bool
    private var faults: [FaultRecord] = []

    init(_ directory: String, lives: Int, isDriven: Bool) throws {
        self.isDriven = isDriven
        ledger = try Ledger("\(directory)/l0")
        clients = try Ledger("\(directory)/l1")
        burst = try Ledger("\(directory)/l2")
        exits = Array(repeating: nil, count: lives)
        ends = Array(repeating: nil, count: lives)
        receipts = try (0..<lives).map { try Receipts("\(directory)/r\($0)", writers: 3) }
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
        if let life { receipts[life].note(2, sequence, isOrdered: false) }
    }

    func failStart(at begin: UInt64, until end: UInt64, survivor: Int32? = nil, saying text: String = "no") {
        failedStarts.append(
            FailedStart(begin: begin * 1000, end: end * 1000, survivor: survivor, life: nil, text: text))
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
        scope: FaultRecord.Scope? = nil, aftermath: UInt64? = nil,
    ) -> FaultRecord {
        let isEverybodys = kind == .serverKilled
        let record = FaultRecord(
            kind, scope, session: isEverybodys ? nil : session, life: life, start: start * 1000, end: end * 1000,
            aftermath: aftermath)
        faults.append(record)
        return record
    }

    func verdict() -> [Violations.Kind: Int] {
        var judge = Judge(faults: faults)
        let lives = receipts.map { Life($0, keeper: nil, keeperPID: 0) }
        for (life, end) in zip(lives, ends) {
            life.wasToldToEnd = wereToldToEnd
            life.end = end
        }
        lives[0].exitMessages = exitMessages
        lives[0].clients = clientsOfFirst
        judge.judge(
            Judge.Case(
                index: 0, lives: lives, ledgers: [ledger, clients, burst], driven: 0..<(isDriven ? 1 : 0), exits: exits,
                patience: patience, failedStarts: failedStarts, leftBehind: leftBehind))
        return judge.violations.counts
    }
}

func withRun(lives: Int = 1, isDriven: Bool = false, _ body: (HandmadeRun) throws -> Void) throws {
    try withTemporaryDirectory { try body(try HandmadeRun($0, lives: lives, isDriven: isDriven)) }
}
