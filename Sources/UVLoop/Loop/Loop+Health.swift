internal import CLibUV

/// The activity of a loop while it was observed.
public struct LoopHealth: Hashable, Sendable {
    /// The number of times the loop has looked for events.
    public let iterations: UInt64
    /// Time spent in callbacks and in the loop itself.
    public let busyTime: Duration
    /// Time spent waiting for events.
    public let waitingTime: Duration
    /// The longest time between two waits: at least that of the longest callback, with those that ran right before and
    /// after it.
    public let longestTick: Duration
    /// The lateness of a timer that is checked at intervals.
    public let lag: Lag

    /// The lateness of timers, in microseconds at the finest; a timer's resolution is a millisecond.
    public struct Lag: Hashable, Sendable {
        /// The lateness at the last check.
        public let latest: Duration
        /// The median, within 6 %: half of the checks were no later.
        public let median: Duration
        /// The 99th percentile, within 6 %: all but one check in a hundred were no later.
        public let percentile99: Duration
        /// The greatest lateness.
        public let longest: Duration
        /// The number of checks.
        public let count: UInt64
    }
}

extension Loop {
    /// Starts measuring the loop's health, from zero. Costs two looks at the clock in every tick, and a system call in
    /// every tick that waits (H64). Does not keep the loop running.
    ///
    /// - Parameter interval: the time between checks of a timer's lateness, at least a millisecond.
    public func observe(every interval: Duration = .milliseconds(20)) {
        requireOwner()
        stopObserving()
        // The call fails only if the option is unknown, and libuv knows it from 1.39 on.
        _ = uvloop_loop_measure_idle_time(raw)
        meter = HealthMeter(on: self, every: interval)
        if isRunning { meter?.runBegins() }
    }

    /// Stops measuring. ``close()`` does too. libuv itself cannot be told to stop, and goes on looking at the clock
    /// around this loop's waits.
    public func stopObserving() {
        requireOwner()
        guard let former = meter.take() else { return }
        formerMeters.append(former)
        former.close { [self] in formerMeters.removeAll { $0 === former } }
    }

    /// The measurements since ``observe(every:)``; nil if the loop is not observed.
    public var health: LoopHealth? { meter?.health }
}

/// Counts ticks, and looks at the clock before each wait. The length of the waits comes from libuv: its callbacks run
/// within the call that waits, so that no handle of ours could measure it.
final class HealthMeter {
    private unowned let loop: Loop
    private let prepare: PrepareHandle
    private let timer: TimerHandle
    private let interval: Duration
    private var iterations: UInt64 = 0
    private var busy: UInt64 = 0
    private var waiting: UInt64 = 0
    private var longestTick: UInt64 = 0
    private var lags = LagHistogram()
    /// The start of the tick, in nanoseconds; nil while the loop does not run.
    private var tickBegan: (time: UInt64, idle: UInt64)?
    private var due = Duration.zero

    init(on loop: Loop, every interval: Duration) {
        self.loop = loop
        self.interval = max(.milliseconds(1), interval)
        prepare = PrepareHandle(on: loop)
        timer = TimerHandle(on: loop)
        prepare.unref()
        timer.unref()
        prepare.start { [unowned self] _ in
            iterations += 1
            tickEnds()
        }
        startTimer()
    }

    func owns(_ handle: Handle) -> Bool { handle === prepare || handle === timer }

    /// Closes both handles, then calls `completion`.
    func close(_ completion: @escaping () -> Void) {
        // The order matters: libuv completes the last close first.
        timer.close(completion)
        prepare.close()
    }

    func runBegins() { tickBegan = (uv_hrtime(), uv_metrics_idle_time(loop.raw)) }

    func runEnds() {
        tickEnds()
        tickBegan = nil
    }

    private func tickEnds() {
        let (time, idle) = (uv_hrtime(), uv_metrics_idle_time(loop.raw))
        if let tickBegan {
            let waited = min(idle - tickBegan.idle, time - tickBegan.time)
            let worked = time - tickBegan.time - waited
            waiting += waited
            busy += worked
            longestTick = max(longestTick, worked)
        }
        tickBegan = (time, idle)
    }

    private func startTimer() {
        due = SystemClock.monotonicTime + interval
        timer.start(after: interval) { [unowned self] _ in
            lags.record(max(.zero, SystemClock.monotonicTime - due))
            startTimer()
        }
    }

    var health: LoopHealth {
        LoopHealth(
            iterations: iterations, busyTime: .nanoseconds(Int64(clamping: busy)),
            waitingTime: .nanoseconds(Int64(clamping: waiting)),
            longestTick: .nanoseconds(Int64(clamping: longestTick)), lag: lags.summary)
    }
}

/// Counts times by size, in 2 KiB: sixteen steps for each doubling, from a microsecond to nine hours.
struct LagHistogram {
    private var counts = [UInt32](repeating: 0, count: 512)
    private var count: UInt64 = 0
    private var latest = Duration.zero
    private var longest = Duration.zero

    mutating func record(_ time: Duration) {
        let microseconds = UInt64(max(0, time / .microseconds(1)))
        let index = LagHistogram.index(microseconds)
        if counts[index] < .max { counts[index] += 1 }
        count += 1
        latest = time
        longest = max(longest, time)
    }

    var summary: LoopHealth.Lag {
        LoopHealth.Lag(
            latest: latest, median: percentile(50), percentile99: percentile(99), longest: longest, count: count)
    }

    /// Returns the time that `percent` of the recorded times do not exceed, rounded up to the end of its step.
    private func percentile(_ percent: UInt64) -> Duration {
        let all = counts.reduce(UInt64(0)) { $0 + UInt64($1) }
        let rank = (all * percent + 99) / 100
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += UInt64(count)
            if seen >= rank { return min(longest, .microseconds(LagHistogram.largest(index))) }
        }
        return .zero
    }

    static func index(_ microseconds: UInt64) -> Int {
        guard microseconds >= 16 else { return Int(microseconds) }
        let exponent = 63 - microseconds.leadingZeroBitCount
        return min(511, (exponent - 3) * 16 + Int(microseconds >> UInt64(exponent - 4)) & 15)
    }

    /// Returns the largest time, in microseconds, that has this index.
    static func largest(_ index: Int) -> Int64 {
        guard index >= 16 else { return Int64(index) }
        return Int64(16 + index % 16 + 1) << Int64(index / 16 - 1) - 1
    }
}
