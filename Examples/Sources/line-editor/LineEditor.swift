import Program
import UVLoop

/// A line editor for a terminal in raw mode, key by key.
@main struct LineEditor {
    static let program = Program(
        """
        usage: line-editor

        Reads lines from the terminal and prints each when Enter is pressed. Left, Right, Home, End, Backspace and
        Ctrl-U edit it; Ctrl-D on an empty line, and Ctrl-C, end it. The terminal is put back whatever ends the program.

        exit status: 0 ended by Ctrl-D or a closed window, 1 standard input is no terminal, 130 Ctrl-C, 64 wrong usage
        """)

    var (line, cursor, held) = ([Character](), 0, [UInt8]())

    static func main() throws {
        guard program.arguments.isEmpty else { program.wrongUsage() }
        let loop = try Loop()
        var editor = LineEditor()
        do {
            let terminal = try Terminal(0, on: loop)
            try terminal.setMode(.raw)
            terminal.write("> ")
            try terminal.onResize { terminal, size in editor.show(on: terminal, " \(size.columns)x\(size.rows)") }
            try terminal.readStart(
                onBytes: { stream, bytes in
                    bytes.withUnsafeBytes { editor.held += $0 }
                    if let status = editor.take(stream) { stream.write("\n") { _ in CurrentProcess.exit(status) } }
                },
                onEnd: { stream, _ in stream.close() })
        } catch {
            program.fail("standard input: \(error)")
        }
        loop.run()
        try loop.close()
    }

    /// Handles the complete keys. Returns the exit status if one ends the program.
    mutating func take(_ stream: Stream) -> Int32? {
        let isCut = (1...3).contains { held.suffix($0).first ?? 0 >= [0xC0, 0xE0, 0xF0][$0 - 1] }
        var rest = String(decoding: isCut ? [] : held, as: UTF8.self)[...]
        if rest.contains(/\u{1B}[\[O]?[0-9;]*$/) || isCut { return nil }
        held = []
        while let key = rest.popFirst() {
            switch key {
            case "\u{3}": return 130
            case "\u{4}" where line.isEmpty: return 0
            case "\r", "\n", "\r\n":
                stream.write("\r\u{1B}[K\(String(line))\n")
                (line, cursor) = ([], 0)
            case "\u{7F}" where cursor > 0, "\u{8}" where cursor > 0:
                (line, cursor) = (Array(line[..<(cursor - 1)] + line[cursor...]), cursor - 1)
            case "\u{15}": (line, cursor) = (Array(line[cursor...]), 0)
            case "\u{1B}":
                let code = rest.prefixMatch(of: /[\[O][0-9;]*[@-~]|[ -~]/)?.output ?? ""
                switch code.dropFirst() {
                case "D": cursor = max(0, cursor - 1)
                case "C": cursor = min(line.count, cursor + 1)
                case "H", "1~", "7~": cursor = 0
                case "F", "4~", "8~": cursor = line.count
                default: break
                }
                rest = rest.dropFirst(code.count)
            case _ where key.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }):
                (line, cursor) = (line[..<cursor] + [key] + line[cursor...], cursor + 1)
            default: break
            }
        }
        show(on: stream, "")
        return nil
    }

    func show(on stream: Stream, _ note: String) {
        let back = line.count - cursor + note.count
        stream.write("\r\u{1B}[K> \(String(line))\(note)" + (back > 0 ? "\u{1B}[\(back)D" : ""))
    }
}
