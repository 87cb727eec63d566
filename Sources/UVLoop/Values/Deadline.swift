extension LibUV {
    /// The longest time that a deadline looks ahead, about 35,000 years: for a caller, for ever.
    private static let forever = Duration.seconds(1 << 40)

    /// The moment on the monotonic clock that is `delay` from now. A delay near the end of `Duration` counts as for ever,
    /// since adding it to a clock would trap; a negative one counts as none.
    package static func deadline(in delay: Duration) -> Duration {
        monotonicTime + min(max(.zero, delay), forever)
    }
}
