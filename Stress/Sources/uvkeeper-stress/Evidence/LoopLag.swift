import Histogram

/// How late a loop's timer came, tick by tick: how long the loop was kept from its work.
struct LoopLag {
    /// In microseconds: from here on a tick counts as a stall.
    static let stall: UInt64 = 100_000

    private(set) var histogram = Histogram<UInt64>(highestTrackableValue: 600_000_000)
    /// In microseconds.
    private(set) var longest: UInt64 = 0
    /// Of the current sample of the series.
    private var recent: UInt64 = 0

    mutating func note(_ lag: UInt64) {
        histogram.record(max(1, min(600_000_000, lag)))
        longest = max(longest, lag)
        recent = max(recent, lag)
    }

    /// Of a tick that is yet to come; it counts in full when it has come.
    mutating func noteUnfinished(_ silence: UInt64) {
        guard silence > LoopLag.stall else { return }
        longest = max(longest, silence)
        recent = max(recent, silence)
    }

    /// The longest lag since the last call.
    mutating func takeRecent() -> UInt64 {
        defer { recent = 0 }
        return recent
    }
}
