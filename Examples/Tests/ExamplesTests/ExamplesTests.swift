import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Examples") struct ExamplesTests {
    static let all = [
        "tcp-echo", "tcp-chat", "udp-echo", "connect", "resolve", "fetch", "follow", "line-editor",
        "host-poll", "host-dispatch",
    ]

    @Test("explain themselves, and what they do not understand is status 64", arguments: all)
    func help(name: String) throws {
        let program = BuiltProducts.executable(name)
        for word in ["--help", "-h"] {
            let help = try runProgram(program, [word])
            #expect(help.status == .exited(code: 0))
            #expect(help.output.hasPrefix("usage: \(name)") && help.output.contains("exit status: 0"))
        }
        for words in [["--help", "x"], ["--bogus", "1", "2", "3"], ["", "", "", ""]] {
            let wrong = try runProgram(program, words)
            #expect(wrong.status == .exited(code: 64), "\(words): \(wrong)")
            #expect(wrong.output.hasPrefix("usage: \(name)"))
        }
    }

    @Test("that listen say where, and why they cannot", arguments: ["tcp-echo", "tcp-chat", "udp-echo"])
    func listens(name: String) throws {
        try withLoop { loop in
            let first = try RunningExample(name, ["--host", "127.0.0.1", "0"], on: loop)
            let port = try first.port()
            #expect(first.text == "listening on 127.0.0.1 \(port)\n")
            let second = try RunningExample(name, ["\(port)"], on: loop)
            #expect(try second.runToEnd() == .exited(code: 1))
            #expect(second.errors.contains("127.0.0.1:\(port)") && second.errors.contains("EADDRINUSE"))
            let nowhere = try RunningExample(name, ["--host", "bogus", "0"], on: loop)
            #expect(try nowhere.runToEnd() == .exited(code: 1))
            #expect(nowhere.errors.contains("bogus is no IP address"))
            #expect(try first.end() == .exited(code: 0))
        }
    }

    @Test(
        "that are hosts run rounds for what comes, and none while nothing does",
        arguments: ["host-poll", "host-dispatch"])
    func hosts(name: String) throws {
        try expectFewRounds(name)
    }

    @Test("the tour does what it says, and ends") func tour() throws {
        let tour = try runProgram(BuiltProducts.executable("tour"), [])
        #expect(tour.status == .exited(code: 0))
        let lines = [
            "timer: 200 ms have passed", "client: got HELLO", "client: got WORLD", "child: says QUIETLY",
            "child: exited with code 0", "work: the sum is 500500",
        ]
        #expect(tour.output.split(separator: "\n").map(String.init).sorted() == lines.sorted(), "\(tour.output)")
    }

    @Test("tcp-echo gives everything back, also after a half-close, and ends in order") func echo() throws {
        let content = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
        try withLoop { loop in
            let server = try RunningExample("tcp-echo", ["0"], on: loop)
            let address = try SocketAddress.loopback(.ipv4, port: server.port())
            var got: [UInt8] = []
            var isEnded = false
            let client = try TCPStream(connectingTo: address, on: loop) { stream, error in
                #expect(error == nil)
                expectNoError { () throws(UVError) in
                    try stream.readStart(
                        onBytes: { _, bytes in bytes.withUnsafeBytes { got += $0 } }, onEnd: { _, _ in isEnded = true })
                }
            }
            client.write(content)
            client.shutdown()
            try run(loop) { isEnded }
            #expect(got == content)
            client.close()
            // One that stays is told of the end.
            var isTold = false
            let other = try TCPStream(connectingTo: address, on: loop) { stream, _ in
                expectNoError { () throws(UVError) in
                    try stream.readStart(
                        onBytes: { _, _ in },
                        onEnd: { stream, _ in
                            isTold = true
                            stream.close()
                        })
                }
            }
            try run(loop) { other.isOpen }
            #expect(try server.end() == .exited(code: 0))
            try run(loop) { isTold }
        }
    }

    @Test("connect takes standard input to a host, and back", arguments: [true, false])
    func connects(isVerbose: Bool) throws {
        let text = (0..<50_000).map { "\($0)\n" }.joined()
        try withLoop { loop in
            let server = try RunningExample("tcp-echo", ["0"], on: loop)
            let port = try server.port()
            let client = try RunningExample(
                "connect", (isVerbose ? ["--verbose"] : []) + ["localhost", "\(port)"], on: loop)
            client.type(text)
            client.input.shutdown()
            #expect(try client.runToEnd() == .exited(code: 0))
            #expect(client.text == text)
            #expect(client.errors.isEmpty != isVerbose)
            if isVerbose { #expect(client.errors.contains("127.0.0.1:\(port)")) }
            _ = try server.end()
            let late = try RunningExample("connect", ["127.0.0.1", "\(port)"], on: loop)
            #expect(try late.runToEnd() == .exited(code: 1))
            #expect(late.errors.contains("ECONNREFUSED"))
        }
    }

    @Test("tcp-chat passes lines on, and costs no memory for who does not read") func chat() throws {
        try withLoop { loop in
            let server = try RunningExample("tcp-chat", ["0"], on: loop)
            let address = try SocketAddress.loopback(.ipv4, port: server.port())
            var heard = [[UInt8](), [UInt8]()]
            let guests = try (0..<3).map { index in
                try TCPStream(connectingTo: address, on: loop) { stream, _ in
                    // The last one does not read.
                    guard index < 2 else { return }
                    expectNoError { () throws(UVError) in
                        try stream.readStart(
                            onBytes: { _, bytes in bytes.withUnsafeBytes { heard[index] += $0 } }, onEnd: { _, _ in })
                    }
                }
            }
            try run(loop) { guests.allSatisfy(\.isOpen) }
            // Only who has been heard is in the room for sure.
            func say(_ line: String, by guest: Int, to other: Int) throws {
                let end = Array("\(line)\n".utf8)
                while !heard[other].suffix(end.count).elementsEqual(end) {
                    guests[guest].write(end)
                    try run(loop) { guests[guest].queuedByteCount == 0 }
                    loop.run(.noWait)
                }
            }
            try say("hello", by: 0, to: 1)
            try say("and you", by: 1, to: 0)
            try say("the silent one", by: 2, to: 0)
            let line = String(repeating: "x", count: 1000)
            let before = try #require(ProcessFigures(of: server.process.pid).memory?.resident)
            for round in 0..<30 {
                for _ in 0..<500 { guests[0].write("\(line)\n") }
                try say("end of \(round)", by: 0, to: 1)
            }
            let after = try #require(ProcessFigures(of: server.process.pid).memory?.resident)
            // 15 MB were said.
            #expect(after - before < 6 << 10)
            guests[0].write(String(repeating: "y", count: 5000))
            var isEnded = false
            guests[0].finish(deadline: hangTimeout) { _ in isEnded = true }
            try run(loop) { isEnded }
            #expect(try server.end() == .exited(code: 0))
            for guest in guests { guest.close() }
        }
    }

    @Test("udp-echo sends messages back") func udp() throws {
        try withLoop { loop in
            let server = try RunningExample("udp-echo", ["0"], on: loop)
            let client = try UDPSocket(connectingTo: .loopback(.ipv4, port: server.port()), on: loop)
            var got: [[UInt8]] = []
            try client.receiveStart(onMessage: { _, bytes, _ in got.append(bytes.withUnsafeBytes(Array.init)) })
            for message in [[1], [], [UInt8](repeating: 7, count: 60_000)] as [[UInt8]] {
                client.send(message)
                let count = got.count
                try run(loop) { got.count > count }
                #expect(got.last == message)
            }
            client.close()
            #expect(try server.end() == .exited(code: 0))
        }
    }

    @Test("resolve prints addresses, and names") func resolve() throws {
        let program = BuiltProducts.executable("resolve")
        #expect(try runProgram(program, ["127.0.0.1"]) == (.exited(code: 0), "127.0.0.1\n"))
        let localhost = try runProgram(program, ["localhost"])
        #expect(localhost.status == .exited(code: 0) && localhost.output.contains("127.0.0.1\n"))
        let name = try runProgram(program, ["--reverse", "127.0.0.1"])
        #expect(name.status == .exited(code: 0) && name.output.count > 1)
        #expect(try runProgram(program, ["--reverse", "nothing"]).status == .exited(code: 1))
    }

    @Test("follow prints what is added, whatever becomes of the file") func follow() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/log"
            try Posix.write("before\n", to: path)
            try withLoop { loop in
                let example = try RunningExample("follow", [path], on: loop)
                // What is added before it has begun is not shown.
                var count = 0
                while example.text.isEmpty {
                    count += 1
                    try append("line \(count)\n", to: path)
                    loop.run(.noWait)
                }
                try append("last of one\n", to: path)
                try run(loop) { example.text.hasSuffix("last of one\n") }
                #expect(!example.text.contains("before"))
                try Files.unlinkIfPresent(path)
                try run(loop) { example.errors.contains("is missing") }
                try Posix.write("first of two\n", to: path)
                try run(loop) { example.text.hasSuffix("first of two\n") }
                #expect(try example.end() == .exited(code: 0))
            }
        }
    }

    private func append(_ text: String, to path: String) throws {
        let file = try OpenFile(path, .append)
        defer { file.close() }
        try file.write(Array(text.utf8))
    }

    @Test("line-editor edits a line, and puts the terminal back", arguments: ["\u{4}", "\u{3}"])
    func lineEditor(end: String) throws {
        try withLoop { loop in
            let pair = try #require(PseudoTerminal())
            defer {
                close(pair.controller)
                close(pair.terminal)
            }
            var before = termios()
            #expect(tcgetattr(pair.terminal, &before) == 0)
            var shown = ""
            let screen = try PipeStream(takingOwnershipOf: dup(pair.controller), on: loop)
            try screen.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { shown += String(decoding: $0, as: UTF8.self) } },
                onEnd: { _, _ in })
            let example = try RunningExample("line-editor", [], input: .descriptor(pair.terminal), on: loop)
            try run(loop) { shown.contains("> ") }
            // "ac", back, "b", Enter.
            screen.write("ac\u{1B}[Db\r")
            try run(loop) { shown.contains("abc\r\n") }
            // Backspace where nothing is before it, keys of several bytes that come apart, keys that are unknown here.
            for keys in ["\u{7F}eg", "\u{1B}", "[1", "~d", "\u{1B}[3~\u{1B}[F"] {
                let count = shown.count
                screen.write(keys)
                if keys.hasSuffix("g") || keys.hasSuffix("d") { try run(loop) { shown.count > count } }
            }
            screen.write([0xC3])
            screen.write([0xA4])
            screen.write("\r\n")
            try run(loop) { shown.contains("degä\r\n") }
            screen.write(end)
            #expect(try example.runToEnd() == .exited(code: end == "\u{4}" ? 0 : 130))
            var after = termios()
            #expect(tcgetattr(pair.terminal, &after) == 0)
            #expect(after.c_lflag == before.c_lflag && after.c_iflag == before.c_iflag)
            screen.close()
        }
        #expect(try runProgram(BuiltProducts.executable("line-editor")).status == .exited(code: 1))
    }
}
