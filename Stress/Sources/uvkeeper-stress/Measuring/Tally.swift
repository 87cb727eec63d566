import Histogram

/// The counts of a run while it goes on, for its display and its series; a driven server's lines as of the last sample.
struct Tally {
    var written = 0
    var refused = 0
    var overflowed = 0
    /// Unknown lines, including those under way in killed servers.
    var unknown = 0
    var bytes = 0
    /// The latencies of written lines, in microseconds from the intended start.
    var latency = Histogram<UInt64>(highestTrackableValue: 600_000_000)

    mutating func note(_ outcome: Ledger.Outcome, byteCount: Int, latency microseconds: UInt64) {
        switch outcome {
        case .written:
            written += 1
            bytes += byteCount
            latency.record(min(600_000_000, max(1, microseconds)))
        case .refused: refused += 1
        case .overflowed: overflowed += 1
        case .handedOver: break
        case .unknown, .none, .pending: unknown += 1
        }
    }

    /// Counts a line of a ledger.
    mutating func note(_ entry: Ledger.Entry) {
        note(entry.outcome, byteCount: entry.byteCount, latency: entry.latency)
    }

    /// The outcomes of the lines, for the display.
    var outcomes: String {
        "\(Texts.count(written)) written, \(Texts.count(refused)) refused, \(Texts.count(unknown)) unknown"
    }

    /// The latencies of written lines, for the display.
    var latencies: String {
        let at = { (percentile: Double) in Texts.time(Double(latency.valueAtPercentile(percentile)) / 1000) }
        return "p50 \(at(50)), p99 \(at(99))"
    }
}
