import KeeperProtocol
import Testing

@Suite("Session id")
struct SessionIDTests {
    @Test("An id of allowed characters is taken unchanged", arguments: ["a", "0", "Z9", "a.b_c-D", "x..", "1-.-_"])
    func accepts(text: String) throws {
        let id = try SessionID(text)
        #expect(id.rawValue == text)
        #expect(id.description == text)
    }

    @Test("Every byte is judged by the rule, in first place and after it")
    func judgesEveryCharacter() {
        let alphanumeric = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".unicodeScalars)
        let allowed = alphanumeric.union("._-".unicodeScalars)
        for value in UInt32(0)...0x17F {
            let scalar = Unicode.Scalar(value)!
            #expect(((try? SessionID(String(scalar))) != nil) == alphanumeric.contains(scalar))
            #expect(((try? SessionID("a\(scalar)")) != nil) == allowed.contains(scalar))
        }
    }

    @Test("An id has at most 128 bytes")
    func boundsLength() throws {
        _ = try SessionID(String(repeating: "a", count: 128))
        #expect(throws: SessionIDError.tooLong(byteCount: 129)) { try SessionID(String(repeating: "a", count: 129)) }
        #expect(throws: SessionIDError.tooLong(byteCount: 130)) { try SessionID(String(repeating: "é", count: 65)) }
    }

    @Test(
        "A refused id says which rule it breaks",
        arguments: [
            ("", SessionIDError.empty),
            (".", .badFirstCharacter),
            ("..", .badFirstCharacter),
            ("-rf", .badFirstCharacter),
            ("_a", .badFirstCharacter),
            ("../x", .badFirstCharacter),
            ("/etc/passwd", .badFirstCharacter),
            ("\u{0}", .badFirstCharacter),
            ("é", .badFirstCharacter),
            ("a/b", .badCharacter(at: 1)),
            ("a\\b", .badCharacter(at: 1)),
            ("ab c", .badCharacter(at: 2)),
            ("abc\n", .badCharacter(at: 3)),
            ("abc\r\n", .badCharacter(at: 3)),
            ("ab\u{0}", .badCharacter(at: 2)),
            ("a😀", .badCharacter(at: 1)),
            ("a\u{301}", .badCharacter(at: 1)),
        ]
    )
    func refuses(text: String, error: SessionIDError) {
        #expect(throws: error) { try SessionID(text) }
    }

    @Test("Ids that differ only in case are different ids")
    func comparesBytes() throws {
        #expect(SessionID("a") != SessionID("A"))
    }

    @Test("A literal is an id")
    func literal() {
        let id: SessionID = "a.b-1"
        #expect(id.rawValue == "a.b-1")
        #expect(SessionID("x").rawValue == "x")
    }
}
