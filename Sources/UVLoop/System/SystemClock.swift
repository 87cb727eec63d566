internal import CLibUV

/// The clocks of the system, independent of any loop.
public enum SystemClock {
    /// The monotonic clock, independent of any loop; nanosecond resolution. Mirrors `uv_hrtime`.
    public static var monotonicTime: Duration {
        .nanoseconds(Int64(uv_hrtime()))
    }

    /// The time since 1970-01-01 UTC, which jumps when the clock is set. Mirrors `uv_gettimeofday`.
    public static var wallClockTime: Duration {
        var time = uv_timeval64_t()
        // Fails only without a place for the result.
        _ = uv_gettimeofday(&time)
        return .seconds(time.tv_sec) + .microseconds(Int64(time.tv_usec))
    }

    /// The longest time that a deadline looks ahead, about 35,000 years: for a caller, for ever.
    private static let forever = Duration.seconds(1 << 40)

    /// The moment on the monotonic clock that is `delay` from now. A delay near the end of `Duration` counts as for ever,
    /// since adding it to a clock would trap; a negative one counts as none.
    package static func deadline(in delay: Duration) -> Duration {
        monotonicTime + min(max(.zero, delay), forever)
    }

    /// Waits until so much time has passed on the monotonic clock, whatever signals come. For the end of a program.
    public static func sleep(until time: Duration) {
        while true {
            let left = time - SystemClock.monotonicTime
            guard left > .zero else { return }
            var request = timespec()
            request.tv_nsec = Int(min(left, .milliseconds(900)) / .nanoseconds(1))
            _ = nanosleep(&request, nil)
        }
    }
}
