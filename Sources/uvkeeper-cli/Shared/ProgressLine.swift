import UVKeeper

/// A line on stderr that is rewritten again and again, and erased at the end; no line if stderr is no terminal.
struct ProgressLine {
    private let isOnTerminal = Terminal.isTerminal(2)
    private var isShown = false

    /// Shows the text in place of the present one.
    mutating func show(_ text: @autoclosure () -> String) {
        guard isOnTerminal else { return }
        isShown = true
        StandardStreams.writeError("\r\u{1B}[K" + text())
    }

    /// Erases the line.
    mutating func erase() {
        guard isShown else { return }
        isShown = false
        StandardStreams.writeError("\r\u{1B}[K")
    }
}
