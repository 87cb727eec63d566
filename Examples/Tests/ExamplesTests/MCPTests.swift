import TestSupport
import Testing
import UVLoop

/// An MCP server in Python.
enum MCPServer: String, CaseIterable, CustomTestStringConvertible {
    case own = "server.py"
    case sdk = "sdk_server.py"

    var testDescription: String { rawValue }

    /// Without PyPI's `mcp` only the server in the repository is asked.
    static let available = allCases.filter { $0 == .own || hasSDK }

    /// A module of it, for `import mcp` alone also finds a directory of that name where the tests run: Examples/mcp.
    static let hasSDK = (try? runProgram("python3", ["-c", "import mcp.types"]).status) == .exited(code: 0)

    /// As a keeper is told it.
    var command: String { #"["python3","\#(ExampleFiles.path("mcp/\(rawValue)"))"]"# }
}

@Suite("With an MCP server", .enabled(if: Tool.isInstalled("python3"), "python3 is not installed")) struct MCPTests {
    @Test("one that PyPI's mcp makes is asked too", .enabled(if: MCPServer.hasSDK, "python3 has no module mcp"))
    func sdk() { #expect(MCPServer.available.contains(.sdk)) }

    @Test("a question is answered, and another one in the same session", arguments: MCPServer.available)
    func answers(server: MCPServer) throws {
        try withServer(server) { home, _ in
            for text in ["first", "zweite Frage: \u{1F426}"] {
                let ask = try asks([text], home)
                #expect(try ask.runToEnd() == .exited(code: 0), "\(ask.errors)")
                #expect(ask.text == text + "\n")
            }
            let none = try asks([], home)
            #expect(try none.runToEnd() == .exited(code: 1))
            #expect(none.errors.contains("no question is open"))
        }
    }

    @Test("the answer comes though who asked was killed before it, and started again", arguments: MCPServer.available)
    func killed(server: MCPServer) throws {
        try withServer(server) { home, keeper in
            let first = try asks(["hello"], home)
            #expect(try first.runToEnd() == .exited(code: 0), "\(first.errors)")
            // A server that stands still has the question in its pipe, and has not answered.
            try Processes.send(.stop, to: keeper.childPID!)
            let killed = try asks(["the answer"], home)
            try home.until("the question is in the pipe") { killed.errors.contains("pipe: 4") }
            #expect(try killed.end(by: .kill) == .signaled(.kill))
            #expect(killed.text.isEmpty)
            let other = try asks(["another"], home)
            #expect(try other.runToEnd() == .exited(code: 1))
            #expect(other.errors.contains("an earlier question is open"))
            try Processes.send(.continue, to: keeper.childPID!)
            let again = try asks([], home)
            #expect(try again.runToEnd() == .exited(code: 0), "\(again.errors)")
            #expect(again.text == "the answer\n")
            try expectOnce(["hello", "the answer"], home, keeper)
        }
    }

    @Test("the answer is there even if it came while nobody was connected") func missed() throws {
        try withServer(.own) { home, keeper in
            let killed = try asks(["the answer", "0.2"], home)
            try home.until("the question is in the pipe") { killed.errors.contains("pipe: 3") }
            #expect(try killed.end(by: .kill) == .signaled(.kill))
            try home.until("it is answered") { output(home).contains("\"id\": 2") }
            let again = try asks([], home)
            #expect(try again.runToEnd() == .exited(code: 0), "\(again.errors)")
            #expect(again.text == "the answer\n")
        }
    }

    @Test("a session that ends before anything is asked is told, with how it ended") func ends() throws {
        try withKeeperHome { home in
            // The keeper's place is taken by one who says hello and exit at once, and then reads nothing.
            let listener = try PipeListener(bindingTo: "\(home.base)/s", on: home.loop)
            try listener.listen { _, result in
                guard case .success(let stream) = result else { return }
                stream.write(
                    #"hello {"epoch":"0123456789abcdef","output":{"out":{"end":0}}}"# + "\n" + #"exit {"code":7}"#
                        + "\n")
                stream.shutdown { _ in stream.close() }
            }
            let ask = try RunningExample(
                executable: "python3",
                [ExampleFiles.path("mcp/ask.py"), "\(home.base)/s", "\(home.base)/journal", "hello"], on: home.loop)
            #expect(try ask.runToEnd() == .exited(code: 1))
            #expect(ask.errors == "the server has ended: {\"code\":7}\n", "\(ask.errors)")
            listener.close()
        }
    }

    @Test("who asks may be killed at any time: nothing is asked twice, every answer comes") func anyTime() throws {
        try withServer(.own) { home, keeper in
            // Each run is killed at another of the moments that it makes known; the last one gets through.
            for count in 1...3 {
                let ask = try asks(count == 1 ? ["hello"] : [], home)
                try home.until("\(count) lines are in the pipe") {
                    ask.errors.contains("pipe: \(count)") || ask.status != nil
                }
                guard ask.status == nil else { break }
                #expect(try ask.end(by: .kill) == .signaled(.kill))
            }
            let last = try asks([], home)
            let status = try last.runToEnd()
            #expect(status == .exited(code: 0) && last.text == "hello\n" || last.errors.contains("no question is open"))
            try expectOnce(["hello"], home, keeper)
        }
    }

    /// Every answer once: then every question was there once.
    private func expectOnce(_ texts: [String], _ home: KeeperHome, _ keeper: KeeperProcess) throws {
        let output = output(home)
        #expect(output.split(separator: "\n").count == 1 + texts.count, "\(output)")
        for text in texts { #expect(output.contains("\"\(text)\"")) }
    }

    /// What the server has written so far.
    private func output(_ home: KeeperHome) -> String {
        let segments = home.names.filter { $0.contains(".out.") }
        let bytes = segments.flatMap { (try? Files.read("\(home.directory)/\($0)", limit: .max)) ?? [] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func asks(_ question: [String], _ home: KeeperHome) throws -> RunningExample {
        let arguments = [ExampleFiles.path("mcp/ask.py"), home.channel, "\(home.base)/journal"] + question
        return try RunningExample(executable: "python3", arguments, on: home.loop)
    }

    private func withServer(
        _ server: MCPServer, _ body: (KeeperHome, KeeperProcess) throws -> Void,
    ) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: [
                "PI_KEEPER_PI_CMD": server.command, "PI_KEEPER_OUTPUT_MAX_BYTES": "1048576",
            ])
            try body(home, keeper)
        }
    }
}
