import TestSupport
import Testing
import UVLoop

@Suite("The code in the articles of the documentation") struct ArticlesTests {
    @Test(
        "of the loops does what they say",
        arguments: [
            ("timer", ["tick 1", "tick 2", "tick 3"]),
            ("flow-control", ["received 1048576 bytes"]),
            ("echo", ["HELLO"]),
            ("cancellation", ["failed: canceled"]),
        ])
    func loops(name: String, lines: [String]) throws {
        let article = try runProgram(BuiltProducts.executable("articles"), [name])
        #expect(article.status == .exited(code: 0))
        #expect(article.output.split(separator: "\n").map(String.init) == lines)
    }

    @Test("about threads prints from each, in either order") func threads() throws {
        let article = try runProgram(BuiltProducts.executable("articles"), ["threads"])
        #expect(article.status == .exited(code: 0))
        let lines = Set(article.output.split(separator: "\n").map(String.init))
        #expect(lines.isSuperset(of: ["taken: true", "the sum is 500500"]), "\(lines)")
    }

    @Test("about closing names the handle that is still open") func closing() throws {
        let article = try runProgram(BuiltProducts.executable("articles"), ["closing"])
        #expect(article.status == .exited(code: 0))
        let lines = article.output.split(separator: "\n")
        #expect(lines.count == 2 && lines.first?.contains("TimerHandle") == true && lines.last == "closed", "\(lines)")
    }

    @Test("of the keepers starts a session, adopts it, writes to it, asks it and ends it") func sessions() throws {
        try withSessions { directory in
            let program = BuiltProducts.executable("articles")
            let steps = [
                ("adopt-or-start", "started\n"), ("adopt-or-start", "adopted\n"),
                ("outcomes", "the child's pipe has it\n"),
            ]
            for (name, output) in steps {
                let step = try runProgram(program, [name, directory])
                #expect(step.status == .exited(code: 0))
                #expect(step.output == output, "\(name)")
            }
            let asked = try runProgram(program, ["mcp", directory])
            #expect(asked.status == .exited(code: 0))
            let lines = asked.output.split(separator: "\n").map(String.init)
            let question = #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#
            // What cat says may come before the keeper's word that it has the line, and what it says of the line before may
            // come as late.
            let all = Set(lines).subtracting([#"answer: {"jsonrpc":"2.0","method":"save"}"#])
            #expect(all == ["answer: \(question)", "question: written", "ended: stopped"], "\(lines)")
            #expect(lines.last == "ended: stopped")
        }
    }

    @Test("of the sessions of tasks starts one, writes a line, reads it back and ends it") func tasks() throws {
        try withSessions { directory in
            let article = try runProgram(BuiltProducts.executable("articles"), ["sessions", directory])
            #expect(article.status == .exited(code: 0))
            let line = #"{"jsonrpc":"2.0","id":1,"result":"cat says what it is told"}"#
            #expect(article.output == "line: written\n0: \(line)\nended: stopped\n")
        }
    }

    @Test("one binary is its own keeper, and finds it again") func oneBinary() throws {
        try withSessions { directory in
            let program = BuiltProducts.executable("one-binary")
            let first = try runProgram(program, [directory])
            #expect(first.status == .exited(code: 0))
            #expect(try runProgram(program, [directory]).output == first.output)
            let keeper = try #require(Int32(first.output.dropFirst("keeper ".count).dropLast()))
            #expect(ProcessDetails.arguments(of: keeper) == [program, "--uvkeeper-sidecar", "demo"])
            try Processes.send(.terminate, to: keeper)
        }
    }

    /// Runs `body` with a sessions directory, and sees to it that its sessions have ended.
    private func withSessions(_ body: (String) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            var left: [Int32] { ProcessFigures.processes(withEnvironmentContaining: directory) }
            let result = Result { try body(directory) }
            if case .success = result {
                try withLoop { loop in try run(loop) { left.isEmpty } }
            }
            for pid in left { expectNoError { () throws(UVError) in try Processes.send(.kill, to: pid) } }
            try result.get()
        }
    }
}
