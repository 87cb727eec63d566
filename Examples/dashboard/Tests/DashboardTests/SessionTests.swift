import TestSupport
import Testing
import UVLoop

@Suite("Sessions over HTTP") struct SessionTests {
    @Test("a session is started, listed, shown, labelled, written to and stopped") func life() throws {
        try withDashboard { home in
            #expect(try home.ask("GET", "/api/sessions").json == [])
            let started = try home.start("work", ["cat"], labels: ["of": "test"])
            #expect(started["id"] == "work" && started["command"] == ["cat"] && started["labels"] == ["of": "test"])
            #expect(started["directory"] == .string(home.base))
            #expect(["starting", "running"].contains(started["state"].text))
            // The second start finds the first one's session.
            let again = try home.ask("POST", "/api/sessions", ["id": "work", "command": ["false"]])
            #expect(try again.status == 200 && again.json["epoch"] == started["epoch"])

            #expect(try home.send(["one", "two", ""], to: "work") == ["written", "written", "written"])
            let shown = try home.ask("GET", "/api/sessions/work").json
            #expect(shown["linesIn"] == 3 && shown["pid"] == started["pid"])

            let labelled = try home.ask("POST", "/api/sessions/work/labels", ["of": .null, "by": "ann"])
            #expect(try labelled.status == 200 && labelled.json["labels"] == ["by": "ann"])
            let listed = try home.ask("GET", "/api/sessions").json.elements
            #expect(listed.map { $0["labels"] } == [["by": "ann"]])

            let stopped = try home.ask("POST", "/api/sessions/work/stop", ["endOfInput": 10, "terminate": 0]).json
            #expect(stopped["result"] == "stopped" && stopped["exit"]["reason"] == "stopped")
            #expect(stopped["exit"]["by"] == "eof" && stopped["exit"]["code"] == 0)
            let ended = try home.ask("GET", "/api/sessions/work").json
            #expect(ended["state"] == "ended" && ended["exit"] == stopped["exit"])
            #expect(try home.stop("work")["result"] == "not-running")
            // A new life of it.
            #expect(try home.start("work", ["cat"])["epoch"] != started["epoch"])
        }
    }

    @Test("the ladder is the request's: a child that ignores everything is killed after it") func ladder() throws {
        try withDashboard { home in
            try home.start("deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 100; done"])
            let output = try home.events("/api/sessions/deaf/output")
            try output.read { !$0.isEmpty }
            let stopped = try home.ask("POST", "/api/sessions/deaf/stop", ["endOfInput": 0.05, "terminate": 0.05]).json
            #expect(stopped["exit"]["by"] == "kill" && stopped["exit"]["signal"] == "KILL")
            try output.readToEnd()
            #expect(output.events.last?.name == "ended" && output.events.last?.data["exit"]["by"] == "kill")
            output.close()
        }
    }

    @Test("what cannot be done is refused, with what to do") func refusals() throws {
        try withDashboard { home in
            func refusal(_ method: String, _ path: String, _ body: JSON? = nil) throws -> String {
                let answer = try home.ask(method, path, body)
                let error = try answer.json["error"]
                #expect((error["message"].text ?? "").utf8.count > 20, "\(answer.text)")
                return "\(answer.status) \(error["code"].text ?? "")"
            }
            #expect(try refusal("GET", "/api/nothing") == "404 no-route")
            #expect(try refusal("DELETE", "/api/sessions/a") == "404 no-route")
            for what in ["", "/output"] {
                #expect(try refusal("GET", "/api/sessions/none\(what)") == "404 no-session")
                #expect(try refusal("GET", "/api/sessions/.none\(what)") == "400 invalid-id")
                #expect(try refusal("GET", "/api/sessions/%2e%2e%2fx\(what)") == "400 invalid-id")
            }
            for what in ["lines", "labels", "stop"] {
                let body: JSON = what == "lines" ? ["lines": []] : [:]
                #expect(try refusal("POST", "/api/sessions/none/\(what)", body) == "404 no-session")
                #expect(try refusal("POST", "/api/sessions/-/\(what)", body) == "400 invalid-id")
                #expect(try refusal("POST", "/api/sessions/none/\(what)") == "415 no-json")
                #expect(try refusal("POST", "/api/sessions/none/\(what)", ["lines"]) == "400 bad-request")
            }
            #expect(try refusal("POST", "/api/sessions", ["id": "a"]) == "400 bad-request")
            #expect(try refusal("POST", "/api/sessions", ["id": "../a", "command": ["cat"]]) == "400 invalid-id")
            #expect(try refusal("POST", "/api/sessions", ["id": "a", "command": []]) == "422 cannot-start")
            #expect(try refusal("POST", "/api/sessions", ["id": "a", "command": ["/none"]]) == "422 cannot-start")
            #expect(try refusal("POST", "/api/sessions", ["id": "a", "command": ["false"]]) == "422 ended-at-start")
            #expect(
                try refusal("POST", "/api/sessions", ["id": "a", "command": ["cat"], "directory": "/none"])
                    == "422 cannot-start")
            try home.start("work", ["cat"])
            #expect(try refusal("POST", "/api/sessions/work/lines", ["lines": ["a\nb"]]) == "400 bad-request")
            #expect(
                try refusal("POST", "/api/sessions/work/lines", ["lines": ["a"], "within": -1]) == "400 bad-request")
            #expect(try refusal("POST", "/api/sessions/work/stop", ["terminate": 1e9]) == "400 bad-request")
            #expect(try refusal("POST", "/api/sessions/work/labels", ["": "x"]) == "400 bad-request")
            #expect(try refusal("GET", "/api/sessions/work/output?from=here") == "400 bad-request")
            #expect(try refusal("GET", "/api/sessions/work/output?as=hex") == "400 bad-request")
        }
    }

    @Test("a body is bounded, however it comes, and nothing of a larger one is done") func bodies() throws {
        try withDashboard { home in
            try home.start("work", ["cat"])
            let text = String(repeating: "x", count: 1 << 20)
            let answer = try home.ask("POST", "/api/sessions/work/lines", ["lines": [.string(text)]])
            #expect(try answer.status == 413 && answer.json["error"]["code"] == "too-large")
            // In chunks, whose sum nobody has told.
            let chunk =
                Array("10000\r\n".utf8) + [UInt8](repeating: UInt8(ascii: " "), count: 65536) + Array("\r\n".utf8)
            let chunks = Array([[UInt8]](repeating: chunk, count: 20).joined()) + Array("0\r\n\r\n".utf8)
            let chunked = try home.answer(
                to: home.exchange(
                    "POST", "/api/sessions/work/lines", chunks,
                    headers: ["Content-Length": nil, "Transfer-Encoding": "chunked"]))
            #expect(chunked.status == 413)
            #expect(try home.ask("GET", "/api/sessions/work").json["linesIn"] == 0)
            // Just below it.
            let line = String(text.dropLast(100))
            #expect(try home.send([line], to: "work") == ["written"])
        }
    }

    @Test("each line has its outcome: what the child does not read in time is taken back") func outcomes() throws {
        try withDashboard { home in
            try home.start("mute", ["sh", "-c", "kill -STOP $$; exec cat"])
            // More than a pipe holds.
            let line = String(repeating: "x", count: 100_000)
            let answer = try home.ask(
                "POST", "/api/sessions/mute/lines",
                ["lines": .array([JSON](repeating: .string(line), count: 8)), "within": 0.2])
            let outcomes = try answer.json["outcomes"].elements
            #expect(outcomes.count == 8)
            #expect(outcomes.allSatisfy { $0["outcome"] != "written" })
            #expect(outcomes.allSatisfy { ($0["message"].text ?? "").utf8.count > 10 && $0["code"].text != nil })
            // The list says so, too.
            let board = try home.events("/api/events")
            try board.read { $0.tell("mute", "blocked") }
            board.close()
            let pid = try #require(try home.ask("GET", "/api/sessions/mute").json["pid"].number)
            try Processes.send(.continue, to: Int32(pid))
            // The list of those who do not watch says so, too, when it reads on.
            let deadline = SystemClock.monotonicTime + hangTimeout
            func state() throws -> JSON? {
                try home.ask("GET", "/api/sessions").json.elements.first { $0["id"] == "mute" }?["state"]
            }
            while try state() != "running", SystemClock.monotonicTime < deadline {}
            #expect(try state() == "running")
        }
    }

    @Test("a server that is told to end does not wait for a child that does not read") func ending() throws {
        try withDashboard { home in
            try home.start("mute", ["sleep", "1000"])
            let board = try home.events("/api/events")
            // More than a pipe holds.
            let body: JSON = ["lines": [.string(String(repeating: "x", count: 200_000))], "within": 3600]
            let waiting = try home.exchange("POST", "/api/sessions/mute/lines", body.encoded)
            try waiting.read()
            try board.read { $0.tell("mute", "blocked") }
            #expect(try home.server.end() == .exited(code: 0))
            try run(home.loop) { waiting.isEnded }
            let answer = try #require(HTTPAnswer(waiting.bytes))
            #expect(try answer.status == 503 && answer.json["error"]["code"] == "ending")
            board.close()
        }
    }

    @Test("what becomes of sessions is told as it happens, those of other programs too") func board() throws {
        try withDashboard { home in
            let board = try home.events("/api/events")
            try board.read { !$0.isEmpty }
            #expect(board.events.first == Event(name: "all", data: []))
            func tells(_ id: String, _ state: String) throws { try board.read { $0.tell(id, state) } }
            try home.start("own", ["cat"])
            try tells("own", "running")
            try home.stop("own")
            try tells("own", "ended")
            // By another server on the same directory.
            let own = home.server
            let other = try RunningServer(sessions: home.sessions, on: home.loop)
            _ = own
            let body: JSON = ["id": "others", "command": ["cat"]]
            let exchange = try HTTPExchange(
                Array(
                    "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(DashboardHome.token)\r\n"
                        .utf8)
                    + Array("Content-Type: application/json\r\nContent-Length: \(try body.encoded.count)\r\n\r\n".utf8)
                    + body.encoded,
                port: other.port, on: home.loop)
            #expect(try home.answer(to: exchange).status == 201)
            try tells("others", "running")
            try other.end()
            board.close()
        }
    }
}

extension [Event] {
    /// True if they have told that a session was in a state.
    fileprivate func tell(_ id: String, _ state: String) -> Bool {
        contains { event in
            let sessions = event.name == "all" ? event.data : event.data["sessions"]
            return sessions.elements.contains { $0["id"].text == id && $0["state"].text == state }
        }
    }
}
