import Histogram

/// What has been counted while a run goes on, for its display and its series.
struct Tally {
    var written = 0
    var refused = 0
    var overflowed = 0
    var unknown = 0
    var bytes = 0
    /// Of the lines written, in microseconds from the intended start.
    var latency = Histogram<UInt64>(highestTrackableValue: 600_000_000)

    mutating func note(_ outcome: Ledger.Outcome, byteCount: Int, latency microseconds: UInt64) {
        switch outcome {
        case .written:
            written += 1
            bytes += byteCount
            latency.record(min(600_000_000, max(1, microseconds)))
        case .refused: refused += 1
        case .overflowed: overflowed += 1
        case .unknown: unknown += 1
        case .none, .pending: break
        }
    }
}
