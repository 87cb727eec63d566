import KeeperProtocol
import TestSupport
import Testing

@Suite struct JSONValueTests {
    @Test(
        "a value is written as JSON.stringify writes it",
        arguments: [
            (nil, "null"), (true, "true"), (false, "false"), (0, "0"),
            (.number(JSONValue.largestNumber), "999999999999999"),
            ([], "[]"), ([:], "{}"), ([1, "a", nil], #"[1,"a",null]"#),
            (["b": 1, "a": [:]], #"{"b":1,"a":{}}"#),
            (
                "\"\\/\u{8}\t\n\u{C}\r\u{0}\u{F}\u{10}\u{1F}\u{7F}é😀",
                "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u000f\\u0010\\u001f\u{7F}é😀\""
            ),
        ] as [(JSONValue, String)]
    )
    func written(value: JSONValue, text: String) {
        #expect(String(decoding: value.encoded, as: UTF8.self) == text)
    }

    @Test("a member is found by its name, and only an object has any")
    func subscripts() {
        let value: JSONValue = ["a": 1, "b": "c", "d": true, "e": nil, "f": [1]]
        #expect(value["a"]?.number == 1 && value["b"]?.text == "c" && value["d"]?.flag == true)
        #expect(value["e"]?.isNull == true && value["f"]?.elements == [1] && value["g"] == nil)
        #expect(
            value["a"]?.text == nil && value["b"]?.number == nil && value["f"]?["a"] == nil && value["a"]?.flag == nil)
        #expect(JSONValue.array([]).members == nil && JSONValue.object([]).elements == nil)
    }

    @Test("numbers beyond the largest become the largest")
    func clamped() {
        #expect(JSONValue(UInt64.max) == .number(JSONValue.largestNumber))
        #expect(JSONValue(UInt64(JSONValue.largestNumber)) == .number(JSONValue.largestNumber))
        #expect(JSONValue(UInt64(0)) == 0)
    }

    @Test("what is written is read as the same value, for random values")
    func roundTrip() throws {
        var random = RandomValues(seed: 11)
        for _ in 0..<3000 {
            let value = random.json(depth: 4)
            let text = value.encoded
            let again = try JSONValue(text)
            #expect(again == value)
            #expect(again.encoded == text)
        }
    }
}
