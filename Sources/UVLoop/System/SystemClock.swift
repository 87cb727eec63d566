internal import CLibUV

/// The clocks of the system, independent of any loop.
public enum SystemClock {
    /// The time of the monotonic clock, in nanosecond resolution. Mirrors `uv_hrtime`.
    public static var monotonicTime: Duration {
        .nanoseconds(Int64(uv_hrtime()))
    }

    /// The time since 1970-01-01 UTC, which jumps when the clock is set. Mirrors `uv_gettimeofday`.
    public static var wallClockTime: Duration {
        var time = uv_timeval64_t()
        // `uv_gettimeofday` fails only without a place for the result.
        _ = uv_gettimeofday(&time)
        return .seconds(time.tv_sec) + .microseconds(Int64(time.tv_usec))
    }

    /// The longest delay of a deadline, about 35,000 years; to a caller, for ever.
    private static let forever = Duration.seconds(1 << 40)

    /// Returns the time on the monotonic clock that is `delay` from now. The delay is clamped: a negative one counts as
    /// zero, and one near the end of `Duration` as `forever`, since adding it to the clock would trap.
    package static func deadline(in delay: Duration) -> Duration {
        monotonicTime + min(max(.zero, delay), forever)
    }

    /// Waits until the monotonic clock reaches `time`, whatever signals arrive. For the end of a program.
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
