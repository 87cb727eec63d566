/// Reads ledgers of another process while it writes them: each line once, when it is known what became of it.
struct LedgerReader {
    private struct Place {
        let ledger: Ledger
        /// The next line to hand over.
        var next = 0
        /// The lines before it have been given up.
        var givenUp = 0
    }

    private var places: [Place]

    init(_ ledgers: [Ledger]) { places = ledgers.map { Place(ledger: $0) } }

    /// Hands over what has an outcome, and was not handed over before, in the order of each ledger: what is behind a line
    /// that waits comes after it.
    mutating func take(_ body: (Ledger.Entry) -> Void) {
        for index in places.indices {
            let place = places[index]
            let end = place.ledger.count
            var next = place.next
            while next < end {
                let entry = place.ledger[next]
                let isWaiting = entry.outcome == .pending || entry.outcome == .none
                if isWaiting, next >= place.givenUp { break }
                body(entry)
                next += 1
            }
            places[index].next = next
        }
    }

    /// The process has ended: lines that wait now never get an outcome, and are handed over without one.
    mutating func giveUp() {
        for index in places.indices { places[index].givenUp = places[index].ledger.count }
    }
}
