import TestSupport
import UVKeeper

@testable import uvkeeper_stress

/// A session whose standard output one reader has read, made by hand. Life 0 has epoch 1, life 1 epoch 2. A keeper keeps 1,000
/// bytes.
final class HandmadeReads {
    let log: ReadLog
    let receipts: [Receipts]
    let lives: [Life]
    var whose = Judge.Reading.Whose.own
    private var others: [ReadLog] = []
    private var faults: [FaultRecord] = []
    private let directory: String

    init(_ directory: String, lives count: Int, written: UInt64) throws {
        self.directory = directory
        log = try ReadLog("\(directory)/o0")
        receipts = try (0..<count).map { try Receipts("\(directory)/r\($0)", writers: 1) }
        lives = receipts.map { Life($0, keeper: nil, keeperPID: 0) }
        for (number, receipts) in receipts.enumerated() {
            receipts[.epoch] = UInt64(number + 1)
            receipts[.outputKey] = 7
            receipts[.writtenOut] = written
            receipts[.offeredOut] = written
        }
        if count > 1 { fault(.keeperKilled, life: 0) }
    }

    func note(
        _ event: ReadLog.Event, _ range: Range<UInt64>, life: Int = 0, offered: UInt64? = nil,
        start: ReadLog.Start = .offset, in other: ReadLog? = nil,
    ) {
        let written = receipts[life][.offeredOut]
        // The upper bound of a beginning is how many bytes there are at most.
        let range = event == .begins ? range.lowerBound..<max(range.upperBound, written) : range
        (other ?? log).note(
            event, range, epoch: UInt64(life + 1), offered: offered ?? written, time: 1_000_000, start: start)
    }

    /// Another reader of the harness.
    func otherReader() throws -> ReadLog {
        let other = try ReadLog("\(directory)/o\(others.count + 1)")
        others.append(other)
        return other
    }

    func record(_ end: UInt64, of life: Int = 0) { lives[life].ends = [.out: end, .err: 0] }

    @discardableResult
    func fault(_ kind: FaultRecord.Kind, life: Int? = nil, before: UInt64? = nil, after: UInt64? = nil) -> FaultRecord {
        let record = FaultRecord(kind, session: 0, life: before == nil ? life : nil, start: 900_000, end: 1_100_000)
        if let before, let life { record.output = (life, [.out: before, .err: 0]) }
        if let after { record.outputAfter = [.out: after, .err: 0] }
        faults.append(record)
        return record
    }

    func verdict() -> [Violations.Kind: Int] {
        var judge = Judge(faults: faults)
        let readings = ([log] + others).map { Judge.Reading(whose, [.out: $0]) }
        judge.judge(Judge.Case(index: 0, lives: lives, ledgers: [], readings: readings, keptOutput: 1_000))
        return judge.violations.counts
    }
}

func withReads(lives: Int = 1, written: UInt64 = 10_000, _ body: (HandmadeReads) throws -> Void) throws {
    try withTemporaryDirectory { try body(try HandmadeReads($0, lives: lives, written: written)) }
}
