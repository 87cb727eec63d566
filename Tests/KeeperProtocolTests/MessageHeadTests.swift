import KeeperProtocol
import Testing

@Suite struct MessageHeadTests {
    @Test(
        "the id is found wherever it stands, and however it is written",
        arguments: [
            (#"{"id":1}"#, .number(Array("1".utf8)), false),
            (#" { "a" : [ {"id":5}, "]" ] , "id" : -1.5e3 } "#, .number(Array("-1.5e3".utf8)), false),
            (#"{"method":"x","id":"a\"b\u00e4"}"#, .string(Array("a\"bä".utf8)), true), (#"{"id":null}"#, nil, false),
            (#"{}"#, nil, false), (#"{"\u0069d":"\ud83d\udc26"}"#, .string(Array("\u{1F426}".utf8)), false),
            (#"{"result":{"id":7,"method":"no"},"id":7}"#, .number(Array("7".utf8)), false),
        ] as [(String, MessageHead.ID?, Bool)]
    )
    func heads(text: String, id: MessageHead.ID?, hasMethod: Bool) {
        let head = MessageHead(text.utf8)
        #expect(head != nil)
        #expect(head?.id == id)
        #expect(head?.hasMethod == hasMethod)
    }

    @Test(
        "what is no object is no message",
        arguments: [
            "", " ", "1", "[]", "{", #"{"id"}"#, #"{"id":}"#, #"{"a":[}"#, #"{"a":1"#, #"{a:1}"#, #"{"id":1,}"#,
            #"{"id":1} x"#,
            "{} {}",
        ])
    func others(text: String) { #expect(MessageHead(text.utf8) == nil) }

    @Test("an error is one if it is not null") func errors() {
        #expect(MessageHead(#"{"id":1,"error": {"code":-1}}"#.utf8)?.hasError == true)
        #expect(MessageHead(#"{"error": null ,"id":1}"#.utf8)?.hasError == false)
        #expect(MessageHead(#"{"id":1,"result":{"error":1}}"#.utf8)?.hasError == false)
    }

    @Test(
        "an answer has a result or an error, and no method",
        arguments: [
            (#"{"id":1,"result":{}}"#, true), (#"{"id":1,"result":null}"#, true), (#"{"result":0,"error":null}"#, true),
            (#"{"id":1,"error":{}}"#, true), (#"{"id":1}"#, false), (#"{"id":1,"error":null}"#, false),
            (#"{"id":1,"params":{"result":1}}"#, false), (#"{"id":1,"method":"x","result":1}"#, false),
            (#"{"id":1,"method":"x"}"#, false), ("{}", false),
        ])
    func answers(text: String, isAnswer: Bool) { #expect(MessageHead(text.utf8)?.isAnswer == isAnswer) }

    @Test("any text is walked over without harm, however deep") func hostile() {
        #expect(MessageHead((#"{"a":"# + String(repeating: "[", count: 1_000_000)).utf8) == nil)
        let deep =
            #"{"a":"# + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + #","id":1}"#
        #expect(MessageHead(deep.utf8)?.id == .number([0x31]))
        #expect(MessageHead(#"{"a":"\u12"}"#.utf8) == nil)
    }
}
