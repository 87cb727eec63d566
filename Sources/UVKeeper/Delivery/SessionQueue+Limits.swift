extension SessionQueue {
    /// The limits on the lines that wait for a session.
    struct Limits {
        var lines: Int
        var bytes: Int
        /// The longest line, in bytes, newline included.
        var line: Int
    }

    /// The reason why a line of so many bytes is refused; nil if it is not.
    func refusal(of count: Int) -> KeeperError? {
        guard !isClosed else { return .closed }
        guard count <= limits.line else { return .lineTooLong(count, maximum: limits.line) }
        guard lineCount < limits.lines, byteCount + count <= limits.bytes else {
            return .queueFull(lines: lineCount, bytes: byteCount)
        }
        return channel?.writer.refusal
    }
}
