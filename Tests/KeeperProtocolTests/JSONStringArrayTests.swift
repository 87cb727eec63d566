import KeeperProtocol
import Testing

@Suite("JSON string array")
struct JSONStringArrayTests {
    @Test(
        "An array of strings is read as JSON.parse reads it",
        arguments: [
            ("[]", []),
            (" \t\r\n[ \t\r\n] \t\r\n", []),
            (#"[""]"#, [""]),
            (#"["a"]"#, ["a"]),
            (#" [ "a" , "b" ,"c"] "#, ["a", "b", "c"]),
            (#"["\"\\\/\b\f\n\r\t"]"#, ["\"\\/\u{08}\u{0C}\n\r\t"]),
            (#"["\u0041\u00e9\u00E9\u20ac"]"#, ["Aéé€"]),
            (#"["\u0000"]"#, ["\u{0}"]),
            (#"["\ud83d\ude00\uD83D\uDE00"]"#, ["😀😀"]),
            (#"["\ud800\udc00\udbff\udfff"]"#, ["\u{10000}\u{10FFFF}"]),
            (#"["\ud7ff\ue000\uffff"]"#, ["\u{D7FF}\u{E000}\u{FFFF}"]),
            ("[\"é😀\u{7F}\u{80}\u{2028}\u{FEFF}\"]", ["é😀\u{7F}\u{80}\u{2028}\u{FEFF}"]),
            (#"["[\"a\",]"]"#, [#"["a",]"#]),
            ("[\"\u{301}\"]", ["\u{301}"]),
        ]
    )
    func decodes(text: String, expected: [String]) {
        #expect(JSONStringArray.decode(text)?.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", " ", "[", "]", "[[]]", "[]]", "[] []", "[]x", "x[]", "[,]", #"["a",]"#, #"[,"a"]"#, #"["a",,"b"]"#,
            #"["a" "b"]"#, #"["a""#, #"["a]"#, #"["a"#, #"['a']"#, "[a]", "[1]", "[null]", "[true]", "{}", "null",
            #""a""#, #"["a",1]"#, #"["a",["b"]]"#, #"[{"a":"b"}]"#, #"{"0":"a"}"#, "\u{FEFF}[]", "[]\u{0}", "[\u{A0}]",
            "[\u{0B}]", "[\u{0C}]", #"["a"]//"#, #"["a"/**/]"#,
        ]
    )
    func refusesOtherThanArrays(text: String) {
        #expect(JSONStringArray.decode(text) == nil)
    }

    @Test(
        "A bad escape is refused",
        arguments: [
            #"["\"#, #"["\"]"#, #"["\x41"]"#, #"["\a"]"#, #"["\0"]"#, #"["\'"]"#, #"["\U0041"]"#, #"["\u"]"#,
            #"["\u1"]"#, #"["\u12"]"#, #"["\u123"]"#, #"["\u123g"]"#, #"["\u+123"]"#, #"["\u 123"]"#, #"["\u12_3"]"#,
            "[\"\\u00\u{661}1\"]", "[\"\\\n\"]", "[\"\\é\"]", #"["\u004"#, #"["\u{41}"]"#, #"["\u00@1"]"#,
        ]
    )
    func refusesBadEscapes(text: String) {
        #expect(JSONStringArray.decode(text) == nil)
    }

    @Test(
        "A surrogate without its partner is refused",
        arguments: [
            #"["\ud800"]"#, #"["\udbff"]"#, #"["\udc00"]"#, #"["\udfff"]"#, #"["\ud800x"]"#, #"["\ud800\n"]"#,
            #"["\ud800\u0041"]"#, #"["\ud800\ud800"]"#, #"["\udc00\ud800"]"#, #"["\ud800\ue000"]"#, #"["\ud83d\ude0"]"#,
            #"["\ud83d\ude00\ude00"]"#, #"["\ud83d"#, #"["\ud83d\"#, #"["\ud83d\u"#,
        ]
    )
    func refusesLoneSurrogates(text: String) {
        #expect(JSONStringArray.decode(text) == nil)
    }

    @Test("A raw control character in a string is refused, delete and above are not")
    func refusesRawControls() {
        for value in UInt32(0)...0xFF where value != 0x22 && value != 0x5C {
            let scalar = Unicode.Scalar(value)!
            let decoded = JSONStringArray.decode("[\"\(scalar)\"]")
            #expect(decoded == (value < 0x20 ? nil : [String(scalar)]))
        }
    }

    /// Expected values are what Node's `JSON.stringify` gives.
    @Test(
        "Strings are written as JSON.stringify writes them",
        arguments: [
            ([], "[]"),
            ([""], #"[""]"#),
            (["--mode", "rpc"], #"["--mode","rpc"]"#),
            (["a\"b\\/"], #"["a\"b\\/"]"#),
            (
                ["\u{0}\u{1}\u{8}\t\n\u{B}\u{C}\r\u{F}\u{10}\u{1F} "],
                #"["\u0000\u0001\b\t\n\u000b\f\r\u000f\u0010\u001f "]"#
            ),
            (["\u{7F}\u{80}\u{2028}\u{2029}\u{FEFF}😀é"], "[\"\u{7F}\u{80}\u{2028}\u{2029}\u{FEFF}😀é\"]"),
            (["\r\n"], #"["\r\n"]"#),
            (["e\u{301}", "\u{301}"], "[\"e\u{301}\",\"\u{301}\"]"),
        ]
    )
    func encodes(strings: [String], expected: String) {
        #expect(Array(JSONStringArray.encode(strings).utf8) == Array(expected.utf8))
    }

    @Test("What is written is read back unchanged, for every scalar up to U+FFFF and some above")
    func roundTrips() {
        let values = (UInt32(0)...0x10FFFF).filter { $0 <= 0xFFFF || $0 % 251 == 0 }
        let scalars = values.compactMap(Unicode.Scalar.init)
        let strings = scalars.map(String.init) + [scalars.map(String.init).joined()]
        let decoded = JSONStringArray.decode(JSONStringArray.encode(strings))
        #expect(decoded?.count == strings.count)
        #expect(zip(decoded ?? [], strings).allSatisfy { $0.utf8.elementsEqual($1.utf8) })
    }
}
