import TestSupport
import Testing
import UVLoop

/// A client of the channel in another language, by its command.
enum ChannelClient: String, CaseIterable, CustomTestStringConvertible {
    case python = "channel.py"
    case node = "channel.mjs"

    var testDescription: String { rawValue }

    /// Those whose language is installed.
    static let installed = allCases.filter(\.isInstalled)

    var isInstalled: Bool { Tool.isInstalled(interpreter) }

    private var interpreter: String {
        switch self {
        case .python: "python3"
        case .node: "node"
        }
    }

    func start(_ arguments: [String], on loop: Loop) throws -> RunningExample {
        try RunningExample(
            executable: interpreter, [ExampleFiles.path("clients/\(rawValue)")] + arguments, on: loop)
    }
}

@Suite("With clients of the channel in Python and Node") struct ChannelClientTests {
    @Test(
        "the one in Python is tried", .enabled(if: ChannelClient.python.isInstalled, "python3 is not installed"))
    func python() { #expect(ChannelClient.installed.contains(.python)) }

    @Test("the one in Node is tried", .enabled(if: ChannelClient.node.isInstalled, "node is not installed"))
    func node() { #expect(ChannelClient.installed.contains(.node)) }

    private static let kept: [String: String?] = ["PI_KEEPER_OUTPUT_MAX_BYTES": "\(8 << 20)"]

    @Test("every line arrives once though the client is killed in the middle", arguments: ChannelClient.installed)
    func write(client: ChannelClient) throws {
        try withKeeperHome { home in
            // More than pipe, keeper and sockets hold; the child stops after the first line.
            let lines = (0..<40_000).map { "\($0) é \(String(repeating: "x", count: $0 % 100))\n" }.joined()
            let file = "\(home.base)/lines"
            try Posix.write(lines, to: file)
            let keeper = try home.startReady(
                child: "IFS= read -r line; printf '%s\\n' \"$line\" >>$HOME/out; kill -STOP $$; exec cat >>$HOME/out")
            let arguments = ["write", home.channel, "me", file]
            let first = try client.start(arguments, on: home.loop)
            try home.until("the first line arrives") { home.outputSize > 0 }
            try home.untilAtRest(keeper)
            #expect(try first.end(by: .kill) == .signaled(.kill))
            try home.thawChild(of: keeper)
            let second = try client.start(arguments, on: home.loop)
            #expect(try second.runToEnd() == .exited(code: 0), "\(second.errors)")
            #expect(second.text.hasPrefix("40000 lines are in the child's pipe, "))
            // The first has sent some of them, and not all.
            #expect(!second.text.contains(", 40000 of") && !second.text.contains(", 0 of"), "\(second.text)")
            try home.until("all lines arrive") { home.outputSize >= lines.utf8.count }
            #expect(home.text() == lines)
            // Once more: there is nothing to do. Then a line is added.
            let third = try client.start(arguments, on: home.loop)
            #expect(try third.runToEnd() == .exited(code: 0))
            #expect(third.text == "40000 lines are in the child's pipe, 0 of them sent now\n")
            try Posix.write(lines + "the last\nand a piece of one", to: file)
            let fourth = try client.start(arguments, on: home.loop)
            #expect(try fourth.runToEnd() == .exited(code: 0))
            #expect(fourth.text == "40001 lines are in the child's pipe, 1 of them sent now\n")
            try home.until("it arrives") { home.outputSize >= lines.utf8.count + 9 }
            #expect(home.text() == lines + "the last\n")
        }
    }

    @Test("output goes on after the last byte though the reader is killed", arguments: ChannelClient.installed)
    func read(client: ChannelClient) throws {
        try withKeeperHome { home in
            let file = "\(home.base)/file"
            let keeper = try home.startReady(
                child: "seq 1 50000; read -r line; seq 50001 100000; read -r line; echo $line; exit 3",
                settings: Self.kept)
            let expected = (1...100_000).map { "\($0)\n" }.joined() + "end\n"
            // Wherever in its work each is when it is killed.
            for count in [1, 100_000, 288_000] {
                let reader = try client.start(["read", home.channel, file], on: home.loop)
                try home.until("\(count) bytes are read") { size(of: file) >= count }
                #expect(try reader.end(by: .kill) == .signaled(.kill))
                #expect(home.text("file").map(expected.hasPrefix) == true)
            }
            try home.send("go on\n", to: keeper)
            let last = try client.start(["read", home.channel, file], on: home.loop)
            try home.until("the second part is read") { size(of: file) >= expected.utf8.count - 4 }
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            try home.send("end\n", to: keeper)
            #expect(try last.runToEnd() == .exited(code: 0), "\(last.errors)")
            #expect(home.text("file") == expected)
            #expect(last.text.hasPrefix(#"exit {"code":3,"signal":null,"reason":"exited","#), "\(last.text)")
        }
    }

    @Test("what is not kept any more is a gap, and the rest is in its place", arguments: ChannelClient.installed)
    func gap(client: ChannelClient) throws {
        try withKeeperHome { home in
            let file = "\(home.base)/file"
            let keeper = try home.startReady(
                child: "seq 1 100000; : >$HOME/written; exec cat",
                settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"])
            try home.until("everything is written") { Files.exists("\(home.base)/written") }
            let written = Array((1...100_000).map { "\($0)\n" }.joined().utf8)
            let reader = try client.start(["read", home.channel, file], on: home.loop)
            func expected() -> [UInt8] {
                var rest = written
                for line in reader.text.split(separator: "\n").reversed() where line.hasPrefix("gap out ") {
                    let ends = line.split(separator: " ").suffix(2).compactMap { Int($0) }
                    rest.removeSubrange(ends[0]..<ends[1])
                }
                return rest
            }
            try home.until("the rest is read") {
                reader.text.hasPrefix("gap out 0 ") && size(of: file) >= expected().count
            }
            #expect(home.bytes("file") == expected())
            #expect(expected().count >= 65536)
            #expect(try reader.end(by: .kill) == .signaled(.kill))
            // It is told of once.
            let again = try client.start(["read", home.channel, file], on: home.loop)
            try home.send("more\n", to: keeper)
            try home.until("more is read") { home.text("file")?.hasSuffix("\nmore\n") == true }
            try keeper.send(.terminate)
            #expect(try again.runToEnd() == .exited(code: 0))
            #expect(again.text.contains(#""signal":"KILL","reason":"keeper-signalled","by":"kill","#), "\(again.text)")
        }
    }

    @Test("a session that has begun anew is told, and gets nothing", arguments: ChannelClient.installed)
    func epoch(client: ChannelClient) throws {
        try withKeeperHome { home in
            let lines = "\(home.base)/lines"
            try Posix.write("one\n", to: lines)
            let first = try home.startReady()
            let writer = try client.start(["write", home.channel, "me", lines], on: home.loop)
            #expect(try writer.runToEnd() == .exited(code: 0))
            try first.send(.terminate)
            _ = try home.runToEnd(first)
            _ = try home.startReady()
            let again = try client.start(["write", home.channel, "me", lines], on: home.loop)
            #expect(try again.runToEnd() == .exited(code: 1))
            #expect(again.errors.hasPrefix("epoch writer "), "\(again.errors)")
            #expect(home.text() == "one\n")
        }
    }

    @Test(
        "a session that ends between the hello and the answer is told, with how it ended",
        arguments: ChannelClient.installed, ["write", "read"])
    func ends(client: ChannelClient, command: String) throws {
        try withKeeperHome { home in
            let (lines, file) = ("\(home.base)/lines", "\(home.base)/file")
            try Posix.write("one\n", to: lines)
            // The keeper's place is taken by one who says hello and exit at once, and then reads nothing.
            let path = "\(home.base)/s"
            let hello = #"hello {"epoch":"0123456789abcdef"}"#
            let exit = #"{"code":7,"reason":"exited"}"#
            let listener = try PipeListener(bindingTo: path, on: home.loop)
            try listener.listen { _, result in
                guard case .success(let stream) = result else { return }
                stream.write("\(hello)\nexit \(exit)\n")
                stream.shutdown { _ in stream.close() }
            }
            let arguments = command == "write" ? [command, path, "me", lines] : [command, path, file]
            let example = try client.start(arguments, on: home.loop)
            #expect(try example.runToEnd() == .exited(code: 1), "\(example.text)")
            #expect(example.errors == "the session ended: \(exit)\n")
            #expect(example.text.isEmpty)
            listener.close()
        }
    }

    @Test("wrong usage is explained", arguments: ChannelClient.installed) func usage(client: ChannelClient) throws {
        try withLoop { loop in
            for arguments in [[], ["write", "a", "b"], ["read", "a"], ["help", "a", "b"]] {
                let wrong = try client.start(arguments, on: loop)
                #expect(try wrong.runToEnd() == .exited(code: 64))
                #expect(wrong.errors.hasPrefix("usage: "))
            }
            let none = try client.start(["read", "/none.ctl.sock", "/none/file"], on: loop)
            #expect(try none.runToEnd() == .exited(code: 1))
            #expect(none.errors.contains("/none.ctl.sock"))
        }
    }

    private func size(of path: String) -> Int {
        (try? Files.status(of: path)).map { Int($0.size) } ?? 0
    }
}
