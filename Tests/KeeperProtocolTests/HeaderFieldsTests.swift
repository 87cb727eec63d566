import Testing

@testable import KeeperProtocol

@Suite struct HeaderFieldsTests {
    private func fields<Result>(of header: String, _ body: (inout HeaderFields) -> Result) -> Result {
        Array(header.utf8).withUnsafeBytes { bytes in
            var fields = HeaderFields(bytes)
            return body(&fields)
        }
    }

    @Test(
        "fields are separated by one space each; a second one, and one at the end, make a field that is empty",
        arguments: [
            ("", [], true), ("a", ["a"], true), ("a b", ["a", "b"], true), ("a ", ["a"], false), (" a", [], false),
            ("a  b", ["a"], false), ("a b ", ["a", "b"], false), (" ", [], false), ("a\tb", ["a\tb"], true),
        ]
    )
    func cut(header: String, expected: [String], isAtEnd: Bool) {
        fields(of: header) { fields in
            for text in expected { #expect(fields.next().map { String(decoding: $0, as: UTF8.self) } == text) }
            #expect(fields.isAtEnd == isAtEnd)
            #expect(fields.next() == nil)
        }
    }

    @Test(
        "a number has 1 to 15 digits and nothing else",
        arguments: [
            ("0", 0), ("9", 9), ("10", 10), ("999999999999999", 999_999_999_999_999), ("1000000000000000", nil),
            ("00", nil),
            ("01", nil), ("", nil), ("-1", nil), ("+1", nil), ("1x", nil), ("x1", nil), ("1.0", nil), ("/", nil),
            (":", nil),
            ("１", nil),
        ]
    )
    func numbers(text: String, number: UInt64?) {
        #expect(fields(of: text) { $0.number() } == number)
        #expect(fields(of: "\(text) 5") { $0.number() } == number)
    }

    @Test("text is of printable ASCII characters")
    func text() {
        #expect(fields(of: "!~ b") { $0.text() } == "!~")
        for text in ["", "a\t", "a\u{7F}", "\u{0}", "\u{E9}", " a"] { #expect(fields(of: text) { $0.text() } == nil) }
    }

    @Test("the rest is everything, spaces included, or nothing")
    func rest() {
        fields(of: "a  {\"b\": 1} ") { fields in
            #expect(fields.text() == "a")
            #expect(fields.rest().map { String(decoding: $0, as: UTF8.self) } == " {\"b\": 1} ")
            #expect(fields.isAtEnd && fields.rest() == nil)
        }
        for header in ["a", "a "] {
            fields(of: header) { fields in
                #expect(fields.text() == "a" && fields.rest() == nil)
                #expect(fields.isAtEnd == (header == "a"))
            }
        }
    }
}
