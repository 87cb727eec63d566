extension SessionQueue {
    /// The limits on the lines that wait for a session.
    struct Limits {
        var lines: Int
        var bytes: Int
        /// The longest line, in bytes, newline included.
        var line: Int
    }
}
