extension SessionQueue {
    /// How much may wait for one session.
    struct Limits {
        var lines: Int
        var bytes: Int
        /// The longest line, in bytes, newline included.
        var line: Int
    }
}
