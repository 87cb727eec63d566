import TestSupport
import Testing
import UVLoop

@testable import dashboard

@Suite("Parts of the server") struct PartsTests {
    @Test("pieces of text end with a character, and together they are the bytes") func cutting() {
        let text = "aé€🙂b\u{0}z"
        let bytes = Array(text.utf8) + [0xFF, 0xC3, 0x28, 0xE2, 0x82, 0xF0, 0x9F]
        for size in 1...bytes.count {
            var cutter = TextCutter()
            var pieces: [[UInt8]] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                pieces.append(cutter.append(Array(bytes[start..<min(start + size, bytes.count)])))
            }
            let last = cutter.end()
            #expect(last.count <= 3)
            #expect(pieces.joined() + last == bytes)
            #expect(pieces.map { String(decoding: $0, as: UTF8.self) }.joined().hasPrefix(text))
        }
    }

    @Test("a position is read as it is written, and nothing else is one") func positions() {
        let position = OutputPosition(epoch: "0123456789abcdef", out: 12, err: 3)
        #expect(OutputPosition("\(position)") == position)
        for text in [
            "", ":", "::", "0123456789abcdef", "0123456789abcdef:1", "0123456789abcdef:1:2:3", "0123456789ABCDEF:1:2",
            "0123456789abcdef:-1:2", "0123456789abcdef:1:1000000000000000", "0123456789abcde:1:2",
            "0123456789abcdef:1:x",
        ] { #expect(OutputPosition(text) == nil, "\(text)") }
    }

    @Test("a token matches itself and nothing else") func tokens() throws {
        let token = try Token.find("0123456789abcdef", inDirectory: "/none")
        #expect(token.matches("0123456789abcdef"))
        for guess in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF", "0123456789abcdef\u{0}"] {
            #expect(!token.matches(guess))
        }
        for text in ["short", "0123456789 abcdef", "0123456789abcdéf", "0123456789abcdef;"] {
            #expect(throws: (any Error).self) { try Token.find(text, inDirectory: "/none") }
        }
    }

    @Test("only so many streams are open at a time") func slots() {
        let slots = StreamSlots()
        var taken = (0..<StreamSlots.limit).map { _ in slots.take() }
        #expect(!taken.contains { $0 == nil } && slots.take() == nil)
        taken[7] = nil
        #expect(slots.take() != nil && slots.take() != nil)
    }

    @Test("a token's file may end with a newline, and one that cannot be used is named") func tokenFile() throws {
        try withTemporaryDirectory { base in
            let path = "\(base)/\(Token.fileName)"
            try Files.replace(path, with: Array("\(DashboardHome.token)\n".utf8))
            #expect(try Token.find(nil, inDirectory: base).text == DashboardHome.token)
            try Files.unlink(path)
            try Files.makeDirectory(at: path)
            let error = #expect(throws: (any Error).self) { try Token.find(nil, inDirectory: base) }
            #expect("\(error.map { "\($0)" } ?? "")".contains(path))
        }
    }
}
