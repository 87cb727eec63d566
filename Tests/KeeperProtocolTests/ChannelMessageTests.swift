import KeeperProtocol
import Testing

@Suite struct ChannelMessageTests {
    static func read(_ header: String) throws(ChannelMessage.Malformed) -> ChannelMessage? {
        try read(Array(header.utf8))
    }

    static func read(_ header: [UInt8]) throws(ChannelMessage.Malformed) -> ChannelMessage? {
        try header.span.bytes.withUnsafeBytes { (header) throws(ChannelMessage.Malformed) in
            try ChannelMessage.read(header)
        }
    }

    @Test(
        "a message is read as it was written, for random ones of every kind", arguments: 0..<RandomValues.messageKinds)
    func roundTrip(kind: Int) throws {
        var random = RandomValues(seed: UInt64(kind))
        for _ in 0..<300 {
            let message = random.message(kind)
            let header = message.header
            #expect(header.last == UInt8(ascii: "\n") && header.count(where: { $0 == UInt8(ascii: "\n") }) == 1)
            #expect(try Self.read(header.dropLast()) == message)
        }
    }

    @Test(
        "a message has the text that channel.md gives it",
        arguments: [
            (.writer(WriterName("a")!, last: 42, acknowledged: 41), "writer a 42 41"), (.acknowledged(7), "ack 7"),
            (.output(.err, offset: 512, length: 3), "err 512 3"), (.gap(.out, 0..<512), "gap out 0 512"),
            (.end([.err: 0, .out: 512]), #"end {"out":512,"err":0}"#), (.ok(.endInput), "ok eof"), (.pong, "pong"),
            (
                .reading([.out: .init(from: 0, kept: KeptRange(start: 0, end: 512))]),
                #"reading {"out":{"from":0,"start":0,"end":512}}"#
            ),
            (
                .error(ChannelError(.sequence, .write, sequence: 42, "42 was expected")),
                "error sequence write 42 42 was expected"
            ),
            (.error(ChannelError(.busy, .read, "one at a time")), "error busy read one at a time"),
        ] as [(ChannelMessage, String)]
    )
    func text(message: ChannelMessage, text: String) {
        #expect(String(decoding: message.header, as: UTF8.self) == text + "\n")
    }

    @Test(
        "a verb that this version does not know is none of its messages",
        arguments: ["later", "later 1 {}", "PONG", "hell o"])
    func unknown(header: String) throws {
        #expect(try Self.read(header) == nil)
    }

    @Test(
        "a message that is not as it should be is refused",
        arguments: [
            "", " ", " pong", "pong ", "pong x", "ack", "ack ", "ack x", "ack 01", "ack -1", "ack 1 ", "ack 1 2",
            "ack  1",
            "ack 1000000000000000", "out", "out 0", "out 0 x", "out 0 65537", "out 0 1 2", "err  0 1", "gap", "gap out",
            "gap out 0", "gap out 5 5", "gap out 6 5", "gap in 0 5", "gap out 0 5 6", "ok", "ok dance", "ok stop stop",
            "writer", "writer a", "writer a 1", "writer .a 1 1", "writer a 1 1 1", "error", "error busy", "hello",
            "hello 1", "hello {}", "hello {\"a\":1", "status {}", "status []", "exit {}", "exit null", "reading",
            "reading 5",
            "reading []", "reading {\"out\":5}", "reading {\"out\":{\"from\":1}}", "end", "end null", "end \"a\"",
            "end {\"out\":\"a\"}", "end {\"out\":1} x", "pong\r", "pong\t", "\u{E9}",
        ]
    )
    func malformed(header: String) {
        #expect(throws: ChannelMessage.Malformed.self) { try Self.read(header) }
    }

    @Test("members and streams that this version does not know are ignored")
    func unknownMembers() throws {
        #expect(try Self.read(#"end {"out":5,"aux":{"a":[]}}"#) == .end([.out: 5]))
        let hello = try Self.read(
            #"hello {"new":[1],"uvkeeper":"9","protocol":2,"verbs":["dance"],"session":"s","epoch":"e","output":null}"#)
        guard case .hello(let hello) = hello else { return #expect(hello == nil) }
        #expect(hello.verbs == ["dance"] && hello.protocolVersion == 2 && hello.output == nil)
    }

    @Test("an error of an unknown code is an error all the same")
    func unknownCode() throws {
        #expect(try Self.read("error later read why") == .error(ChannelError(.argument, .read, "why")))
        #expect(try Self.read("error busy read") == .error(ChannelError(.busy, .read, "")))
        #expect(try Self.read("error busy write 7") == .error(ChannelError(.busy, .write, sequence: 7, "")))
    }

    @Test("the text of an error cannot break its line, and a word of it is no number")
    func errorText() throws {
        let broken = ChannelError(.argument, .label, "a\nb\r\u{1B}[31m")
        #expect(
            String(decoding: ChannelMessage.error(broken).header, as: UTF8.self)
                == "error argument label a\\nb\\r\\u{1b}[31m\n")
        let wordy = ChannelError(.grammar, .write, "write is followed by two numbers")
        #expect(try Self.read(ChannelMessage.error(wordy).header.dropLast()) == .error(wordy))
    }

    private static func read(_ header: ArraySlice<UInt8>) throws(ChannelMessage.Malformed) -> ChannelMessage? {
        try read(Array(header))
    }
}
