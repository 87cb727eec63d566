import KeeperProtocol
import Testing
import UVLoop

@Suite struct ChannelRequestTests {
    static func read(_ header: String) throws(ChannelError) -> ChannelRequest { try read(Array(header.utf8)) }

    static func read(_ header: [UInt8]) throws(ChannelError) -> ChannelRequest {
        try header.span.bytes.withUnsafeBytes { (header) throws(ChannelError) in try ChannelRequest(header) }
    }

    static func code(_ header: String) -> ChannelError.Code? {
        do throws(ChannelError) {
            _ = try read(header)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("a request is read as it was written, for random ones of every verb")
    func roundTrip() throws {
        var random = RandomValues(seed: 3)
        var verbs: Set<ChannelVerb> = []
        for _ in 0..<3000 {
            let request = random.request()
            let header = request.header
            #expect(header.last == UInt8(ascii: "\n") && header.count(where: { $0 == UInt8(ascii: "\n") }) == 1)
            #expect(try Self.read(Array(header.dropLast())) == request)
            verbs.insert(request.verb)
        }
        #expect(verbs.count == ChannelVerb.allCases.count)
    }

    // Made anew each time: to LeakSanitizer, a box in a static value is lost, since its pointer has a tag.
    static var good: [(String, ChannelRequest)] {
        [
            ("writer a", .writer(WriterName("a")!, epoch: nil, last: nil)),
            ("writer A.b_c-9 {}", .writer(WriterName("A.b_c-9")!, epoch: nil, last: nil)),
            (#"writer a {"epoch":"x","last":0}"#, .writer(WriterName("a")!, epoch: "x", last: 0)),
            (#"writer a { "last" : 7 , "new" : [ { } ] }"#, .writer(WriterName("a")!, epoch: nil, last: 7)),
            ("write 1 7", .write(sequence: 1, length: 7)),
            ("write 0 0", .write(sequence: 0, length: 0)),
            (
                "write 999999999999999 999999999999999",
                .write(sequence: 999_999_999_999_999, length: 999_999_999_999_999)
            ),
            ("read", .read(ReadRequest())),
            ("read {}", .read(ReadRequest([.out], from: .end, epoch: nil, follows: false))),
            (
                #"read {"streams":["err","out"],"from":"start","epoch":"e","follow":true,"new":1}"#,
                .read(ReadRequest([.err, .out], from: .start, epoch: "e", follows: true))
            ),
            (#"read {"from":{"last":4096}}"#, .read(ReadRequest(from: .last(4096)))),
            (#"read {"from":{"out":512}}"#, .read(ReadRequest(from: .offsets([.out: 512])))),
            ("status", .status), ("eof", .endInput), ("ping", .ping),
            ("signal INT", .signal(.interrupt)), ("signal STOP", .signal(.stop)), ("signal KILL", .signal(.kill)),
            ("stop", .stop(.keepers)), ("stop {}", .stop(.keepers)),
            (#"stop {"eofMs":0,"termMs":3600000}"#, .stop(StopLadder(endOfInput: .zero, terminate: .seconds(3600)))),
            (#"stop {"termMs":5,"new":null}"#, .stop(StopLadder(terminate: .milliseconds(5)))),
            (#"label {"a":"b","c":null}"#, .label([.init("a", "b"), .init("c", nil)])), ("label {}", .label([])),
            ("label {\"a\":\"b\"}\r", .label([.init("a", "b")])),
        ]
    }

    @Test("a request with right arguments is read", arguments: good)
    func arguments(header: String, request: ChannelRequest) throws {
        #expect(try Self.read(header) == request)
    }

    @Test(
        "a header that is no message is an error of the grammar, which closes",
        arguments: [
            "", " ", "  ping", " ping", "ping ", "ping  ", "ping x", "status {}", "eof 1", "PING", "Ping", "ping\r",
            "ping\0", "p\u{E9}",
            "ping1", "_", String(repeating: "a", count: 33), "write", "write ", "write 1", "write 1 ", "write 1 2 ",
            "write 1 2 3",
            "write  1 2", "write 1  2", "write 01 2", "write 1 02", "write 00 2", "write -1 2", "write +1 2",
            "write 1.0 2",
            "write 1e1 2", "write 0x1 2", "write x 2", "write 1 x", "write 1\t2", "write 1 2\r",
            "write 1000000000000000 2",
            "write 1 1000000000000000", "write 1 00000000000000000", "writer", "writer ", "writer  a", "writer a ",
            "signal",
            "signal ", "signal INT ", "signal INT x", "read ", "stop ",
        ]
    )
    func grammar(header: String) {
        #expect(Self.code(header) == .grammar)
        #expect(ChannelError.Code.grammar.closes)
    }

    @Test(
        "a verb that no keeper knows is said to be so",
        arguments: ["dance", "pong", "ack 1", "hello {}", "write-line", "-", "a\(String(repeating: "b", count: 31))"])
    func unknownVerbs(header: String) {
        #expect(Self.code(header) == .unknownVerb)
        #expect(!ChannelError.Code.unknownVerb.closes)
    }

    @Test(
        "a wrong argument is said to be so, and closes nothing",
        arguments: [
            "writer .a", "writer -a", "writer a/b", "writer \(String(repeating: "a", count: 65))", "writer a 5",
            "writer a []",
            "writer a  {}", #"writer a {"epoch":5}"#, #"writer a {"epoch":null}"#, #"writer a {"last":"5"}"#,
            #"writer a {"last":-1}"#, #"writer a {"last":1,"last":1}"#, #"writer a {} {}"#, "writer a {} x",
            "signal SIGINT", "signal int", "signal SEGV", "signal 9", "read []", "read \"start\"", "read null",
            "read  {}",
            #"read {"streams":[]}"#, #"read {"streams":["out","out"]}"#, #"read {"streams":["in"]}"#,
            #"read {"streams":"out"}"#,
            #"read {"streams":[1]}"#, #"read {"from":"here"}"#, #"read {"from":5}"#, #"read {"from":{}}"#,
            #"read {"from":null}"#,
            #"read {"from":{"err":5}}"#, #"read {"from":{"out":5,"err":5}}"#, #"read {"from":{"out":"5"}}"#,
            #"read {"from":{"last":5,"out":5}}"#, #"read {"streams":["out","err"],"from":{"out":5}}"#,
            #"read {"from":{"out":1.5}}"#, #"read {"epoch":5}"#, #"read {"follow":1}"#, #"read {"follow":"true"}"#,
            #"read {"a":[[[[]]]]}"#, "read {", "read {}{}", "stop 5", #"stop {"eofMs":3600001}"#,
            #"stop {"termMs":"5"}"#,
            #"stop {"termMs":null}"#, #"stop {"eofMs":-1}"#, "label", "label a", "label []",
            #"label {"a":"b","a":"c"}"#,
            "label {\"a\":\"\u{1}\"}",
        ]
    )
    func wrongArguments(header: String) {
        #expect(Self.code(header) == .argument)
        #expect(!ChannelError.Code.argument.closes)
    }

    @Test("bytes that are no UTF-8 are an error, not a trap")
    func noUTF8() {
        for byte in UInt8(0x80)...0xFF {
            for place in 0...4 {
                var header = Array(#"label {"a":"b"}"#.utf8)
                header[[0, 4, 6, 8, 12][place]] = byte
                #expect(throws: ChannelError.self) { try Self.read(header) }
            }
        }
    }

    @Test("an error names the verb that failed")
    func verbOfErrors() {
        for (header, verb) in [
            ("dance x", "dance"), ("stop 5", "stop"), ("PING", "-"), ("", "-"), ("eof 1", "eof"), ("write", "write"),
        ] {
            do throws(ChannelError) {
                _ = try Self.read(header)
                Issue.record("\(header) was read")
            } catch {
                #expect(error.verb == verb)
            }
        }
    }
}
