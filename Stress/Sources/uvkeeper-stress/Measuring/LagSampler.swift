import UVKeeper

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
        last = SystemClock.monotonicTime
        timer.start(after: LagSampler.interval, repeating: LagSampler.interval) { [unowned self] _ in tick() }
    }

    private func tick() {
        let now = SystemClock.monotonicTime
        let late = RunClock.microseconds(max(.zero, now - last - LagSampler.interval))
        last = now
        lag.note(late)
        onTick?(late)
    }

    /// The longest lag since the last call.
    func takeRecent() -> UInt64 { lag.takeRecent() }

    /// Stops measuring: the loop does only the harness's own work from now on.
    func stop() { if !timer.isClosing { timer.stop() } }

    func close() { timer.close() }
}
