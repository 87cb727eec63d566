import KeeperProtocol
import Testing

@Suite struct WriterNameTests {
    @Test(
        "a name has letters, digits, dots, underscores and hyphens",
        arguments: ["a", "Z", "0", "a.b_c-9", "9.-_", String(repeating: "a", count: 64)])
    func good(text: String) {
        #expect(WriterName(text)?.rawValue == text)
        #expect(WriterName(text)?.description == text)
    }

    @Test(
        "anything else is no name",
        arguments: [
            "", ".a", "_a", "-a", "a b", "a/b", "a\n", "a\u{0}", "é", "aé", "K\u{301}", "\u{212A}",
            String(repeating: "a", count: 65),
        ])
    func bad(text: String) {
        #expect(WriterName(text) == nil)
    }

    @Test("every byte is judged, in first place and after it")
    func everyByte() {
        let letters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".unicodeScalars)
        for scalar in (0...0x17F).compactMap({ Unicode.Scalar($0 as UInt32) }) {
            #expect((WriterName(String(scalar)) != nil) == letters.contains(scalar))
            #expect((WriterName("a\(scalar)") != nil) == letters.union("._-".unicodeScalars).contains(scalar))
        }
    }
}
