/// Reads ledgers of another process while it writes them: each line once, when it is known what became of it. What a killed
/// process has left without an outcome gets one from the next.
struct LedgerReader {
    private struct Place {
        let ledger: Ledger
        /// The next line to hand over.
        var next = 0
        /// The lines before it have their outcome.
        var settled = 0
    }

    private var places: [Place]

    init(_ ledgers: [Ledger]) { places = ledgers.map { Place(ledger: $0) } }

    /// Hands over what has an outcome, and was not handed over before, in the order of each ledger: what is behind a line
    /// that waits comes after it.
    mutating func take(_ body: (Ledger.Entry) -> Void) {
        for index in places.indices {
            let place = places[index]
            places[index].next = LedgerReader.advance(place.next, place.ledger, body)
        }
    }

    /// Whether every line so far has its outcome.
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
