import KeeperProtocol
import Testing

@Suite("Session id error")
struct SessionIDErrorTests {
    @Test("Each description says what is wrong and what is allowed")
    func describes() {
        #expect("\(SessionIDError.empty)" == "session id is empty; use 1 to 128 of A-Z a-z 0-9 . _ -")
        #expect("\(SessionIDError.tooLong(byteCount: 300))" == "session id is 300 bytes long; at most 128 are allowed")
        #expect(
            "\(SessionIDError.badFirstCharacter)" == "session id must start with a letter (A-Z a-z) or a digit (0-9)"
        )
        #expect(
            "\(SessionIDError.badCharacter(at: 7))"
                == "session id has a character that is not allowed at offset 7; use only A-Z a-z 0-9 . _ -"
        )
    }

    @Test("A message quotes the refused text without its control characters")
    func quotesSafely() {
        let message = SessionIDError.badCharacter(at: 1).message(for: "a\u{1B}[2J\n\u{9B}b\u{7F}")
        #expect(message.hasSuffix(": \"a\\u{1b}[2J\\n\\u{9b}b\\u{7f}\""))
        #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
    }

    @Test("A message cuts a long text off")
    func cutsLongText() {
        let error = SessionIDError.tooLong(byteCount: 5000)
        let kept = String(repeating: "x", count: 64)
        #expect(error.message(for: String(repeating: "x", count: 5000)) == "\(error): \"\(kept)\"...")
        #expect(error.message(for: kept) == "\(error): \"\(kept)\"")
    }
}
