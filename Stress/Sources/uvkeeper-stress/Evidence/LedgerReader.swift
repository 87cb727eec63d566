/// A reader of another process's ledgers while they are written: hands over each line once, when its outcome is known.
/// Lines that a killed process has left without an outcome get one from the next.
struct LedgerReader {
    private struct Place {
        let ledger: Ledger
        /// The next line to hand over.
        var next = 0
        /// The number of lines from the start that have their outcome.
        var settled = 0
    }

    private var places: [Place]

    init(_ ledgers: [Ledger]) { places = ledgers.map { Place(ledger: $0) } }

    /// Hands over the lines that have an outcome and were not handed over before, in the order of each ledger: lines
    /// behind one that waits come after it.
    mutating func take(_ body: (Ledger.Entry) -> Void) {
        for index in places.indices {
            let place = places[index]
            places[index].next = LedgerReader.advance(place.next, place.ledger, body)
        }
    }

    /// Returns true if every line so far has its outcome.
    mutating func isSettled() -> Bool {
        for index in places.indices {
            let place = places[index]
            places[index].settled = LedgerReader.advance(place.settled, place.ledger) { _ in }
            guard places[index].settled == place.ledger.count else { return false }
        }
        return true
    }

    private static func advance(_ next: Int, _ ledger: Ledger, _ body: (Ledger.Entry) -> Void) -> Int {
        var next = next
        while next < ledger.count {
            let entry = ledger[next]
            guard entry.outcome != .pending, entry.outcome != .none else { break }
            body(entry)
            next += 1
        }
        return next
    }
}
