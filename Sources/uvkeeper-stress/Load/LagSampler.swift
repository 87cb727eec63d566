import Histogram
import UVKeeper

/// How late a timer of ten milliseconds comes: how long the loop was kept from its work.
final class LagSampler {
    private static let interval = Duration.milliseconds(10)

    private(set) var histogram = Histogram<UInt64>(highestTrackableValue: 600_000_000)
    private(set) var longest: UInt64 = 0
    /// Of the current sample of the series.
    private var recent: UInt64 = 0
    private let timer: TimerHandle
    private var last: Duration
    var onStall: ((UInt64) -> Void)?

    init(on loop: Loop) throws(UVError) {
        timer = try TimerHandle(on: loop)
        last = LibUV.monotonicTime
        timer.start(after: LagSampler.interval, repeating: LagSampler.interval) { [unowned self] _ in tick() }
    }

    private func tick() {
        let now = LibUV.monotonicTime
        let lag = RunClock.microseconds(max(.zero, now - last - LagSampler.interval))
        last = now
        histogram.record(max(1, lag))
        longest = max(longest, lag)
        recent = max(recent, lag)
        if lag > 100_000 { onStall?(lag) }
    }

    /// The longest lag since the last call.
    func takeRecent() -> UInt64 {
        defer { recent = 0 }
        return recent
    }

    /// No more measuring: what follows on this loop is the harness's own work.
    func stop() { if !timer.isClosing { timer.stop() } }

    func close() { timer.close() }
}
