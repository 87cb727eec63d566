import UVKeeper

/// A line on stderr that is rewritten again and again, and erased at the end; no line if stderr is no terminal. A text that
/// is wider than the terminal is cut.
struct ProgressLine {
    private let isOnTerminal = Terminal.isTerminal(2)
    private var isShown = false

    /// Shows the text in place of the present one.
    mutating func show(_ text: @autoclosure () -> String) {
        guard isOnTerminal else { return }
        isShown = true
        // A longer line would go on in the next row, where it cannot be erased. The last column is left free: some
        // terminals go to the next row after it.
        let room = Terminal.columns(of: 2).map { max(0, $0 - 1) } ?? .max
        StandardStreams.writeError("\r\u{1B}[K" + text().prefix(room))
    }

    /// Erases the line.
    mutating func erase() {
        guard isShown else { return }
        isShown = false
        StandardStreams.writeError("\r\u{1B}[K")
    }
}
