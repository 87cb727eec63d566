import Histogram
import UVKeeper

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

/// Measures the lag of a loop by a timer of ten milliseconds.
final class LagSampler {
    private static let interval = Duration.milliseconds(10)

    private(set) var lag = LoopLag()
    private let timer: TimerHandle
    private var last: Duration
    /// Called with the lag of every tick.
    var onTick: ((UInt64) -> Void)?

    init(on loop: Loop) {
        timer = TimerHandle(on: loop)
        last = LibUV.monotonicTime
        timer.start(after: LagSampler.interval, repeating: LagSampler.interval) { [unowned self] _ in tick() }
    }

    private func tick() {
        let now = LibUV.monotonicTime
        let late = RunClock.microseconds(max(.zero, now - last - LagSampler.interval))
        last = now
        lag.note(late)
        onTick?(late)
    }

    /// The longest lag since the last call.
    func takeRecent() -> UInt64 { lag.takeRecent() }

    /// No more measuring: what follows on this loop is the harness's own work.
    func stop() { if !timer.isClosing { timer.stop() } }

    func close() { timer.close() }
}
