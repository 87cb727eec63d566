import KeeperProtocol
import Testing

@Suite struct JSONReaderTests {
    static func read(_ text: String, depth: Int = 4) throws(JSONError) -> JSONValue {
        try JSONValue(Array(text.utf8), depth: depth)
    }

    @Test(
        "a value is read, with white space around every part of it",
        arguments: [
            ("null", nil), ("true", true), ("false", false), ("0", 0), ("7", 7), ("120", 120), ("[]", []), ("{}", [:]),
            (" \t\r\n[ \t\r\n1 \t\r\n, \t\r\n\"a\" \t\r\n] \t\r\n", [1, "a"]),
            (" { \"a\" : { \"b\" : [ true , null ] } , \"c\" : \"d\" } ", ["a": ["b": [true, nil]], "c": "d"]),
            (#"{"":""}"#, ["": ""]),
        ] as [(String, JSONValue)]
    )
    func values(text: String, value: JSONValue) throws {
        #expect(try Self.read(text) == value)
    }

    @Test("a number has up to 15 digits")
    func longestNumber() throws {
        #expect(try Self.read("999999999999999") == .number(JSONValue.largestNumber))
        #expect(throws: JSONError.self) { try Self.read("1000000000000000") }
        #expect(throws: JSONError.self) { try Self.read(String(repeating: "9", count: 1000)) }
    }

    @Test(
        "a number has no sign, leading zero, fraction or exponent",
        arguments: [
            "-0", "-1", "+1", "00", "01", "0000000000000001", "0.0", "1.", "1.5", ".5", "1e5", "1E5", "0e0", "1e",
            "0x10",
            "1_000", "NaN", "Infinity", "٣",
        ]
    )
    func badNumbers(text: String) {
        #expect(throws: JSONError.self) { try Self.read(text) }
        #expect(throws: JSONError.self) { try Self.read("[\(text)]") }
        #expect(throws: JSONError.self) { try Self.read("{\"a\":\(text)}") }
    }

    @Test(
        "what is no value is refused, and what follows one",
        arguments: [
            "", " ", "nul", "nulL", "True", "truefalse", "null null", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
            "[1]]",
            "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\" 1}",
            "{\"a\"::1}",
            "{1:2}", "{\"a\":1 \"b\":2}", "{} {}", "{}x", "{}\0", "'a'", "\"", "\"a", "// a\n1", "1 // a", "\u{FEFF}1",
            "\u{A0}1", "1\u{0B}", "1\u{0C}",
        ]
    )
    func noValues(text: String) {
        #expect(throws: JSONError.self) { try Self.read(text) }
    }

    @Test("four levels are read and a fifth is not, whatever they are of")
    func depth() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            func nested(_ count: Int) -> String {
                String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
            }
            _ = try Self.read(nested(4))
            #expect(throws: JSONError.self) { try Self.read(nested(5)) }
            _ = try Self.read(nested(6), depth: 6)
            #expect(throws: JSONError.self) { try Self.read(String(repeating: open, count: 100_000)) }
        }
        _ = try Self.read("[[[[]]],[[[]]],{\"a\":{\"b\":[]}}]")
    }

    @Test(
        "a repeated member is refused, at any place and in any spelling",
        arguments: [
            #"{"a":1,"a":1}"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":1,"\u0061":2}"#, #"[{"x":{"a":1,"a":2}}]"#,
            #"{"":1,"":2}"#,
        ]
    )
    func repeatedMembers(text: String) {
        #expect(throws: JSONError.self) { try Self.read(text) }
    }

    @Test("the same name may be in two objects, and many names in one")
    func members() throws {
        #expect(try Self.read(#"{"a":{"a":1},"b":{"a":2}}"#)["b"] == ["a": 2])
        let members = (0..<5000).map { "\"member \($0)\":\($0)" }.joined(separator: ",")
        #expect(try Self.read("{\(members)}").members?.count == 5000)
        #expect(throws: JSONError.self) { try Self.read("{\(members),\"member 0\":0}") }
    }

    @Test("names and strings are bytes: two normal forms of one text are two")
    func bytes() throws {
        let (one, other) = ("\u{E9}", "e\u{301}")
        let object = try Self.read("{\"\(one)\":1,\"\(other)\":\"\(one)\"}")
        #expect(object[one] == 1 && object[other] == .string(one) && object[other] != .string(other))
        #expect(Set([.string(one), .string(other), [one: nil], [other: nil]] as [JSONValue]).count == 4)
    }

    @Test("escapes are read, and pairs of surrogates")
    func escapes() throws {
        let text = #""\"\\\/\b\f\n\r\t\u0000\u0041\u00e9\uFFFF\uD83D\ude00""#
        #expect(try Self.read(text) == .string("\"\\/\u{8}\u{C}\n\r\t\u{0}A\u{E9}\u{FFFF}\u{1F600}"))
        #expect(try Self.read(#""\ud800\udc00\udbff\udfff""#) == "\u{10000}\u{10FFFF}")
    }

    @Test(
        "a bad escape is refused, and a surrogate without its partner",
        arguments: [
            #""\"#, #""\""#, #""\x""#, #""\U0041""#, #""\u""#, #""\u12""#, #""\u123g""#, #""\u+123""#, #""\ud800""#,
            #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\u0041""#, #""\ud800\ud800""#, #""\udc00\ud800""#,
            #""\ud83d\u""#, #""\ud83d\"#, #""\ud83d\ude0""#,
        ]
    )
    func badEscapes(text: String) {
        #expect(throws: JSONError.self) { try Self.read(text) }
    }

    @Test(
        "bytes that are no UTF-8 are refused, in values and in names",
        arguments: [
            [0x80], [0xFF], [0xC3], [0xC0, 0x80], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF0, 0x80, 0x80, 0x80], [0xC3, 0x28],
        ] as [[UInt8]]
    )
    func noUTF8(bytes: [UInt8]) {
        let quote = Array("\"".utf8)
        #expect(throws: JSONError.self) { try JSONValue(quote + bytes + quote) }
        #expect(throws: JSONError.self) { try JSONValue(Array("\"\\n".utf8) + bytes + quote) }
        #expect(throws: JSONError.self) { try JSONValue(Array("{\"".utf8) + bytes + Array("\":1}".utf8)) }
    }

    @Test("control characters are refused in strings, delete is not")
    func controls() throws {
        for byte in UInt8(0)..<0x20 {
            #expect(throws: JSONError.self) { try JSONValue([0x22, byte, 0x22]) }
            #expect(throws: JSONError.self) { try JSONValue([0x22, 0x5C, 0x6E, byte, 0x22]) }
        }
        #expect(try JSONValue([0x22, 0x7F, 0x22]) == "\u{7F}")
    }

    @Test(
        "an error names the first byte that does not fit",
        arguments: [
            ("[1,x]", 3), ("[1", 2), ("", 0), ("{} x", 3), ("[-1]", 1), ("[01]", 1), (#"{"a":1,"a":2}"#, 7),
            ("\"\t\"", 1),
        ]
    )
    func offset(text: String, offset: Int) {
        do throws(JSONError) {
            _ = try Self.read(text)
            Issue.record("\(text) was read")
        } catch {
            #expect(error.offset == offset)
            #expect(error.description.hasSuffix(" at byte \(offset) of the JSON"))
        }
    }
}
