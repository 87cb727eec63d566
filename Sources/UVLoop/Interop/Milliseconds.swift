extension Duration {
    /// Whole milliseconds, rounded up, from 0 to 2^62, for libuv's timers. Negative durations count as zero.
    var milliseconds: UInt64 {
        guard attoseconds > 0 else { return 0 }
        return UInt64(min((attoseconds - 1) / 1_000_000_000_000_000 + 1, 1 << 62))
    }
}
