import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

@Suite struct OutputJudgeTests {
    @Test("bytes and gaps that tile a stream up to its end are right") func tiled() throws {
        try withReads { reads in
            reads.note(.begins, 0..<0)
            reads.note(.gap, 0..<4_000)
            reads.note(.bytes, 4_000..<7_000)
            reads.note(.bytes, 7_000..<10_000)
            reads.note(.ends, 0..<10_000)
            reads.record(10_000)
            #expect(reads.verdict() == [:])
        }
    }

    @Test("a byte that is left out, told twice, wrong, or was never written is noticed") func faulty() throws {
        for (event, range, finding) in [
            (ReadLog.Event.bytes, UInt64(1_001)..<UInt64(2_000), Violations.Kind.outputHole),
            (.bytes, 999..<2_000, .outputDoubled), (.wrong, 500..<1_000, .outputWrong),
            (.bytes, 1_000..<10_001, .outputBeyond), (.gap, 1_001..<2_000, .outputHole),
            (.gap, 900..<2_000, .outputDoubled),
        ] {
            try withReads { reads in
                reads.whose = .channel
                reads.note(.begins, 0..<0)
                reads.note(.bytes, 0..<1_000)
                reads.note(event, range)
                #expect(reads.verdict() == [finding: 1], "\(event) \(range)")
            }
        }
    }

    @Test("a reader that goes on must do so where it was") func resumed() throws {
        for offset in [UInt64(1_000), 1_001] {
            try withReads { reads in
                reads.whose = .driven
                reads.note(.begins, 0..<0)
                reads.note(.bytes, 0..<1_000)
                reads.note(.stopped, 1_000..<1_000)
                reads.note(.begins, offset..<offset)
                #expect(reads.verdict() == (offset == 1_000 ? [:] : [.outputHole: 1]))
            }
        }
    }

    @Test("a gap is of bytes that are older than what is kept") func aged() throws {
        for end in [UInt64(8_999), 9_000, 9_001] {
            try withReads { reads in
                reads.whose = .channel
                reads.note(.begins, 0..<0)
                reads.note(.gap, 0..<end)
                #expect(reads.verdict() == (end <= 9_000 ? [:] : [.outputGap: 1]), "\(end)")
            }
        }
    }

    @Test("or of bytes that a fault of this life has kept from the disk") func lost() throws {
        for (life, before, after, isExplained) in [
            (0, UInt64(9_300), UInt64(9_500), true), (1, 9_300, 9_500, false), (0, 9_300, 9_400, false),
            (0, 9_300 + Judge.pipeCapacity + Judge.bufferCapacity, 99_500, false),
        ] {
            try withReads { reads in
                reads.whose = .channel
                reads.note(.begins, 0..<0)
                // Nearly all of it is old.
                reads.note(.gap, 0..<9_450)
                let fault = reads.fault(.diskFull, life: life, before: before, after: after)
                #expect(reads.verdict() == (isExplained ? [:] : [.outputGap: 1]), "\(life) \(before) \(after)")
                #expect(fault.excused.output == (isExplained ? 450 : 0))
            }
        }
    }

    @Test("or of bytes that the next life has removed, for a reader that none waits for") func removed() throws {
        try withReads(lives: 2) { reads in
            reads.whose = .driven
            reads.note(.begins, 9_400..<9_400, start: .start)
            reads.note(.gap, 9_400..<9_500)
            #expect(reads.verdict() == [:])
            reads.note(.begins, 0..<0, life: 1)
            reads.note(.gap, 0..<9_500, life: 1)
            #expect(reads.verdict() == [.outputGap: 1], "there is none after it")
        }
    }

    @Test("a keeper that says of how much it could not write agrees with the gaps, and has a fault for it")
    func losses()
        throws
    {
        try withReads { reads in
            reads.note(.begins, 0..<0)
            reads.note(.bytes, 0..<9_400)
            reads.note(.gap, 9_400..<9_500)
            reads.note(.bytes, 9_500..<10_000)
            reads.note(.ends, 0..<10_000)
            reads.lives[0].lost = [.out: 100, .err: 0]
            #expect(reads.verdict() == [.outputGap: 2])
            reads.fault(.diskFull, life: 0, before: 9_300, after: 9_600)
            #expect(reads.verdict() == [:])
            reads.lives[0].lost = [.out: 99, .err: 0]
            #expect(reads.verdict() == [.outputGap: 1])
            reads.lives[0].lost = [.out: 500, .err: 0]
            #expect(reads.verdict() == [:], "a reader at the end has more than the disk")
        }
    }

    @Test("a reader of the harness is told the end of each life, the others need not be") func abandoned() throws {
        try withReads(lives: 2) { reads in
            reads.note(.begins, 0..<0)
            reads.note(.bytes, 0..<10_000)
            reads.note(.begins, 0..<0, life: 1)
            reads.note(.bytes, 0..<10_000, life: 1)
            reads.note(.ends, 0..<10_000, life: 1)
            #expect(reads.verdict() == [.outputMissing: 1])
            reads.whose = .driven
            #expect(reads.verdict() == [:])
        }
    }

    @Test("an end before all was read is noticed") func early() throws {
        try withReads { reads in
            reads.note(.begins, 0..<0)
            reads.note(.bytes, 0..<9_999)
            reads.note(.ends, 0..<10_000)
            #expect(reads.verdict() == [.outputMissing: 1])
        }
    }

    @Test("the end is that of the record, and the same for everybody") func ends() throws {
        try withReads { reads in
            reads.receipts[0][.writtenOut] = 9_000
            reads.note(.begins, 0..<0)
            reads.note(.bytes, 0..<9_500)
            reads.note(.endsUnknown, 0..<9_500)
            #expect(reads.verdict() == [:], "a killed child has written 9,000 to 10,000")
            reads.record(9_500)
            #expect(reads.verdict() == [:])
            reads.record(9_501)
            #expect(reads.verdict() == [.outputMissing: 1])
            reads.record(8_999)
            #expect(reads.verdict() == [.outputMissing: 2], "nor is it what the child has written")
            reads.record(9_500)
            let other = try reads.otherReader()
            reads.note(.begins, 0..<0, in: other)
            reads.note(.bytes, 0..<9_400, in: other)
            reads.note(.endsUnknown, 0..<9_400, in: other)
            #expect(reads.verdict() == [.outputMissing: 2], "not of the record, not of the other")
        }
    }

    @Test("a keeper that could not write its last output and its record leaves less than a reader got") func lastLoss()
        throws
    {
        try withReads { reads in
            reads.whose = .driven
            reads.note(.begins, 0..<0)
            reads.note(.bytes, 0..<10_000)
            reads.note(.ends, 0..<10_000)
            let other = try reads.otherReader()
            reads.note(.begins, 9_400..<9_400, offered: 9_400 + Judge.pipeCapacity + 1, start: .end, in: other)
            reads.note(.endsUnknown, 9_400..<9_400, in: other)
            #expect(reads.verdict() == [.outputHole: 1, .outputMissing: 1])
            reads.fault(.diskFull, life: 0, before: 9_300, after: 9_700)
            #expect(reads.verdict() == [.outputHole: 1, .outputMissing: 1], "it ended too early")
            reads.fault(.keeperToldToEnd, life: 0, before: 9_500 + Judge.pipeCapacity)
            #expect(reads.verdict() == [:], "one followed the other")
        }
    }

    @Test("a session that began anew has waited for its own readers") func anew() throws {
        try withReads(lives: 2) { reads in
            reads.note(.begins, 0..<0)
            reads.note(.anew, 0..<0)
            #expect(reads.verdict() == [.outputMissing: 1])
            reads.whose = .driven
            #expect(reads.verdict() == [:])
        }
    }

    @Test("a read from the start or the end begins there") func starts() throws {
        for (start, from, asked, finding) in [
            (ReadLog.Start.start, UInt64(0), UInt64(0), nil), (.start, 8_999, 0, nil),
            (.start, 9_001, 0, Violations.Kind.outputHole), (.end, 100, 100 + Judge.pipeCapacity, nil),
            (.end, 100, 101 + Judge.pipeCapacity, .outputHole),
        ] {
            try withReads { reads in
                reads.whose = .channel
                reads.note(.begins, from..<from, offered: asked, start: start)
                #expect(reads.verdict() == (finding.map { [$0: 1] } ?? [:]), "\(start) \(from) \(asked)")
            }
        }
    }

    @Test("a killed keeper has not written what it had just read") func killed() throws {
        for (more, finding) in [(UInt64(0), nil), (1, Violations.Kind.outputHole)] {
            try withReads { reads in
                reads.whose = .channel
                reads.fault(.keeperKilled, life: 0)
                let offered = 100 + Judge.pipeCapacity + Judge.bufferCapacity + more
                reads.note(.begins, 100..<100, offered: offered, start: .end)
                #expect(reads.verdict() == (finding.map { [$0: 1] } ?? [:]), "\(more)")
            }
        }
    }

    @Test("a read fails only while nothing can be opened") func failed() throws {
        try withReads { reads in
            reads.note(.failed, 0..<0)
            #expect(reads.verdict() == [.readFailed: 1])
            reads.fault(.descriptorsExhausted)
            #expect(reads.verdict() == [:])
            reads.whose = .driven
            #expect(reads.verdict() == [.readFailed: 1], "of another process")
        }
    }
}
