import KeeperProtocol
import Testing

@Suite("Log line")
struct LogLineTests {
    @Test("A line is a timestamp in brackets, the message and a newline")
    func shape() {
        #expect(LogLine.text("socket bound", millisecondsSinceEpoch: 0) == "[1970-01-01T00:00:00.000Z] socket bound\n")
        #expect(LogLine.text("", millisecondsSinceEpoch: 0) == "[1970-01-01T00:00:00.000Z] \n")
    }

    @Test(
        "What could end the line or drive a terminal is escaped",
        arguments: [
            ("a\nb", #"a\nb"#),
            ("a\r\nb", #"a\r\nb"#),
            ("a\tb", #"a\tb"#),
            ("\u{0}\u{1B}[31m\u{7F}", #"\u{0}\u{1b}[31m\u{7f}"#),
            ("\u{85}\u{9B}\u{2028}\u{2029}", #"\u{85}\u{9b}\u{2028}\u{2029}"#),
            (#"C:\new "é" 😀"#, #"C:\new "é" 😀"#),
            ("e\u{301}\n\u{301}", "e\u{301}\\n\u{301}"),
        ]
    )
    func escapes(message: String, expected: String) {
        let line = LogLine.text(message, millisecondsSinceEpoch: 0)
        #expect(Array(line.utf8) == Array("[1970-01-01T00:00:00.000Z] \(expected)\n".utf8))
        #expect(line.utf8.filter { $0 < 0x20 }.count == 1)
    }
}
