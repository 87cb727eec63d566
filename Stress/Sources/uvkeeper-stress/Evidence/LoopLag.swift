import Histogram

/// The lateness of a loop's timer, tick by tick, which is the time that the loop was kept from its work.
struct LoopLag {
    /// The lateness from which a tick counts as a stall, in microseconds.
    static let stall: UInt64 = 100_000

    private(set) var histogram = Histogram<UInt64>(highestTrackableValue: 600_000_000)
    /// The longest lateness, in microseconds.
    private(set) var longest: UInt64 = 0
    /// The longest lateness in the current sample of the series.
    private var recent: UInt64 = 0

    mutating func note(_ lag: UInt64) {
        histogram.record(max(1, min(600_000_000, lag)))
        longest = max(longest, lag)
        recent = max(recent, lag)
    }

    /// Notes a tick that is still to come, late by now; it counts in full when it has come.
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
