extension Duration {
    /// Whole milliseconds, rounded up, from 0 to 2^62: what libuv's timers take. Negative durations count as zero.
    var milliseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 1 << 52 else { return 1 << 62 }
        let partial = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return UInt64(seconds) * 1000 + UInt64(partial)
    }
}
