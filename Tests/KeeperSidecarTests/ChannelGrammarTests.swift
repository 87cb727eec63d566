import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Channel: grammar") struct ChannelGrammarTests {
    private static let lineLimit = ["PI_KEEPER_MAX_LINE_BYTES": "1024"]
    private static let kept = ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"]

    /// What is sent, and the error that answers it.
    private static let closing: [(String, ChannelError.Code)] =
        [
            "\n", " ping\n", "PING\n", "ping \n", "ping x\n", "ping\r\n", "\0\n",
            "\(String(repeating: "x", count: 33))\n",
            "eof x\n", "status {}\n", "writer\n", "writer \u{E9}\n", "signal\n", "signal TERM TERM\n",
            "write\n", "write 1\n", "write 01 1\nx\n", "write 1 01\nx\n", "write +1 1\nx\n", "write -1 1\nx\n",
            "write 1  1\nx\n", "write 1 1 \nx\n", "write 1000000000000000 1\nx\n", "write 1 1.0\nx\n", "write 1 -1\n",
            // A length that was miscounted.
            "write 1 3\nabcd\n", "write 1 5\nabc\nping\n", "write 1 0\nx\n",
        ].map { ($0, .grammar) }
        + [
            "write 1 1025\n", "write 1 999999999999999\n", "write 1 1024\n\(String(repeating: "x", count: 1024))\n",
            String(repeating: "x", count: 65536), "label {\"a\":\"\(String(repeating: "x", count: 65600))\"}\n",
        ].map { ($0, .tooLong) }
        + [("write 2 1\nx\n", .sequence)]

    private static let staying: [(String, ChannelError.Code)] =
        ["nope\n", "nope 1 2\n", "out 0 5\n", "hello {}\n"].map { ($0, .unknownVerb) }
        + [
            "writer -a\n", "writer a/b\n", "writer \(String(repeating: "a", count: 65))\n", "writer a {\"last\":-1}\n",
            "writer a {\"last\":1.5}\n", "writer a {\"last\":\"1\"}\n", "writer a {\"epoch\":1}\n", "writer a []\n",
            "writer a {} x\n", "writer a  {}\n", "writer a {\"x\":1,\"x\":2}\n",
            "signal WINCH\n", "signal term\n",
            "stop {\"eofMs\":3600001}\n", "stop {\"eofMs\":\"1\"}\n", "stop {\"termMs\":null}\n", "stop 1\n",
            "label\n", "label []\n", "label {\"a\":1}\n", "label {\"\":\"x\"}\n", "label {\"a\":\"b\"}{}\n",
            "label {\"a\":\"\\ud800\"}\n", "label {\"a\":\"b\",}\n", "label {a:1}\n", "label {\"a\":\"\u{1}\"}\n",
            "label {\"a\":\"\(String(repeating: "x", count: 1025))\"}\n",
            "label {\"\(String(repeating: "x", count: 65))\":\"x\"}\n",
            "label {\((0..<65).map { "\"\($0)\":\"x\"" }.joined(separator: ","))}\n",
            "label {\((0..<17).map { "\"\($0)\":\"\(String(repeating: "x", count: 1000))\"" }.joined(separator: ","))}\n",
            "read {\"streams\":[]}\n", "read {\"streams\":[\"out\",\"out\"]}\n", "read {\"streams\":[\"in\"]}\n",
            "read {\"from\":{\"out\":1}}\n", "read {\"from\":{\"out\":0,\"err\":0}}\n", "read {\"from\":{}}\n",
            "read {\"streams\":[\"out\",\"err\"],\"from\":{\"out\":0}}\n", "read {\"from\":{\"last\":1,\"out\":0}}\n",
            "read {\"from\":\"middle\"}\n", "read {\"follow\":1}\n", "read {\"a\":{\"b\":{\"c\":{\"d\":{}}}}}\n",
        ].map { ($0, .argument) }
        + [
            "writer a {\"epoch\":\"0123456789abcdef\"}\n", "read {\"epoch\":\"0123456789abcdef\"}\n",
            // What it says may be as long as a request; the answer is not longer.
            "writer a {\"epoch\":\"\(String(repeating: "\u{85}", count: 32000))\"}\n",
        ].map { ($0, .epoch) }

    @Test(
        "An error that closes ends the keeper's side, and delivers nothing; every other leaves the connection as it is")
    func answersErrors() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: Self.lineLimit.merging(Self.kept) { $1 })
            for (text, code) in Self.closing {
                let client = try home.channel(of: keeper)
                client.send(text)
                let last = try client.rest()
                #expect(last.count == 1, "\(text.prefix(60)): \(last)")
                guard case .error(let error)? = last.first else { continue }
                #expect(error.code == code && code.closes, "\(text.prefix(60)): \(error)")
                client.close()
            }
            let client = try home.channel(of: keeper)
            for (text, code) in Self.staying {
                client.send(text)
                let error = try client.nextError()
                #expect(error?.code == code && !code.closes, "\(text.prefix(60)): \(error as Any)")
                #expect(try client.isAnswered())
            }
            #expect(client.malformed.isEmpty)
            let other = try home.channel(of: keeper)
            other.write(1, "the only line")
            #expect(try other.acknowledges(1))
            try home.until("the line arrives") { home.outputSize >= 14 }
            #expect(home.text() == "the only line\n")
            #expect(keeper.exitStatus == nil)
        }
    }

    @Test("A line has its newline within its length or behind it, and may be empty, or as long as it may be")
    func countsNewlines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: Self.lineLimit)
            let client = try home.channel(of: keeper)
            #expect(client.hello.maximumLineLength == 1024)
            let longest = String(repeating: "y", count: 1023)
            client.send("write 1 3\nabc\nwrite 2 4\nabd\nwrite 3 0\n\nwrite 4 1\n\nwrite 5 4\na\nb\n")
            client.send("write 6 1023\n\(longest)\nwrite 7 1024\n\(longest)\n")
            #expect(try client.acknowledges(7))
            let expected = "abc\nabd\n\n\na\nb\n\(longest)\n\(longest)\n"
            try home.until("all arrive") { home.outputSize >= expected.utf8.count }
            #expect(home.text() == expected)
        }
    }

    @Test("Messages may come byte by byte")
    func readsBytes() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let client = try home.channel(of: keeper)
            for byte in Array("writer a {\"last\":0}\nwrite 1 5\nhello\nwrite 2 6\nwor\nd\nping\nwrite 3 0\n\n".utf8) {
                client.send([byte])
                home.loop.run(.noWait)
            }
            #expect(try client.next() == .writer(WriterName("a")!, last: 0, acknowledged: 0))
            var acknowledged: UInt64 = 0
            var hasPong = false
            while acknowledged < 3 {
                switch try client.next() {
                case .acknowledged(let number): acknowledged = number
                case .pong: hasPong = true
                case let other: Issue.record("\(other)")
                }
            }
            #expect(hasPong)
            try home.until("all arrive") { home.outputSize >= 13 }
            #expect(home.text() == "hello\nwor\nd\n\n")
        }
    }

    @Test("A client cut off at any byte, and come again, has each of its lines delivered once")
    func survivesCuts() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let lines = ["a", "bb", "ccc", "dddd"].map { "write \($0.utf8.count) \($0.utf8.count)\n\($0)\n" }
            let whole = Array(lines.joined().utf8)
            for cut in 0...whole.count {
                let first = try home.channel(of: keeper)
                first.send("writer w\(cut)\n")
                _ = try first.next()
                first.send(Array(whole[..<cut]))
                // Dropped, ended in order, or left as it is.
                if cut % 3 == 0 { first.close() } else if cut % 3 == 1 { first.finish() }
                let second = try home.channel(of: keeper)
                second.send("writer w\(cut) {\"epoch\":\"\(second.hello.epoch)\",\"last\":4}\n")
                guard case .writer(_, let last, let acknowledged) = try second.next() else {
                    Issue.record("no answer")
                    continue
                }
                second.send(lines[Int(last)...].joined())
                if acknowledged < 4 { #expect(try second.acknowledges(4)) }
                second.close()
                if cut % 3 == 2 { first.close() }
            }
            try home.until("all arrive") { home.outputSize >= 14 * (whole.count + 1) }
            #expect(home.text() == String(repeating: "a\nbb\nccc\ndddd\n", count: whole.count + 1))
        }
    }

    @Test("A client that ends its sending side gets what it is owed, and loses a half message")
    func servesHalfClosed() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "kill -STOP $$; echo out; exec cat >>$HOME/out", settings: Self.kept)
            let patient = try home.channel(of: keeper)
            let line = String(repeating: "z", count: 200_000)
            patient.write(1, line)
            patient.send("label {\"a\":\"b\"}\nwrite 2 10\nab")
            patient.finish()
            #expect(try patient.next() == .ok(.label))
            let quick = try home.channel(of: keeper)
            quick.send("ping\npin")
            quick.finish()
            #expect(try quick.rest() == [.pong])
            #expect(!patient.isEnded)
            try home.thawChild(of: keeper)
            #expect(try patient.rest() == [.acknowledged(1)])
            let reader = try home.channel(of: keeper)
            reader.send("read {\"from\":\"start\",\"follow\":true}\n")
            reader.finish()
            try home.until("the output comes") { reader.tiles[.out]?.text == "out\n" }
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            try home.channel(of: keeper).send("eof\n")
            let rest = try reader.rest()
            guard case .exit(let exit)? = rest.last else { return #expect(Bool(false), "\(rest)") }
            #expect(exit.reason == .exited && exit.code == 0)
            #expect(home.text() == "\(line)\n")
        }
    }
}
