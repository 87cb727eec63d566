/// An event in the keeper's log.
public enum LogLine {
    /// `[2026-01-02T03:04:05.678Z] message` and a newline: always exactly one line.
    /// Control characters, delete, and the Unicode line separators in `message` are escaped (`\n`, `\r`, `\t`,
    /// `\u{1b}`), so that a client's text can neither forge an event nor drive the terminal of a reader. Backslashes
    /// stay as they are. The shape is the original's, which does not escape.
    public static func text(_ message: String, millisecondsSinceEpoch: Int64) -> String {
        var line = "[\(LogTimestamp.text(millisecondsSinceEpoch: millisecondsSinceEpoch))] "
        ControlEscaping.append(message, to: &line)
        line += "\n"
        return line
    }
}
