import TestSupport
import Testing

@testable import uvkeeper_stress

@Suite struct LedgerReaderTests {
    @Test("a line is handed over once, when it has its outcome") func once() throws {
        try withLedgers { ledgers in
            var reader = LedgerReader(ledgers)
            #expect(taken(&reader) == [])
            send(to: ledgers[0])
            send(to: ledgers[1])
            #expect(taken(&reader) == [], "both wait")
            ledgers[1].complete(0, .refused, latency: 7, time: 1)
            #expect(taken(&reader) == [.refused])
            ledgers[0].complete(0, .written, latency: 9, time: 2)
            #expect(taken(&reader) == [.written])
            #expect(taken(&reader) == [])
        }
    }

    @Test("what is behind a line that waits comes after it") func order() throws {
        try withLedgers { ledgers in
            var reader = LedgerReader(ledgers)
            for _ in 0..<3 { send(to: ledgers[0]) }
            ledgers[0].complete(1, .overflowed, latency: 0, time: 1)
            #expect(taken(&reader) == [])
            ledgers[0].complete(0, .unknown, latency: 0, time: 2)
            #expect(taken(&reader) == [.unknown, .overflowed])
        }
    }

    @Test("it is settled when every line has its outcome") func settled() throws {
        try withLedgers { ledgers in
            var reader = LedgerReader(ledgers)
            var isSettled = reader.isSettled()
            #expect(isSettled)
            for _ in 0..<2 { send(to: ledgers[0]) }
            ledgers[0].complete(1, .written, latency: 3, time: 1)
            isSettled = reader.isSettled()
            #expect(!isSettled)
            ledgers[0].complete(0, .written, latency: 3, time: 2)
            isSettled = reader.isSettled()
            #expect(isSettled)
            #expect(taken(&reader) == [.written, .written], "they are handed over all the same")
        }
    }

    private func send(to ledger: Ledger) { _ = ledger.begin(byteCount: 64, time: 0) }

    private func taken(_ reader: inout LedgerReader) -> [Ledger.Outcome] {
        var outcomes: [Ledger.Outcome] = []
        reader.take { outcomes.append($0.outcome) }
        return outcomes
    }

    private func withLedgers(_ body: ([Ledger]) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            try body(try (0..<2).map { try Ledger("\(directory)/l\($0)") })
        }
    }
}
