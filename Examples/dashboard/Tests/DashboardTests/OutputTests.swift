import TestSupport
import Testing
import UVLoop

@Suite("Output by server-sent events") struct OutputTests {
    @Test("both streams come apart, each piece at its offset, and the id of each event leads behind it") func streams()
        throws
    {
        try withDashboard { home in
            try home.start(
                "both", ["sh", "-c", "while read -r line; do echo \"out $line\"; echo \"err $line\" >&2; done"])
            let output = try home.events("/api/sessions/both/output")
            _ = try home.send(["1", "2", "3"], to: "both")
            try output.read {
                try! output.text("out").hasSuffix("3\n") && output.text("err").hasSuffix("3\n") && $0.count > 0
            }
            #expect(try output.text("out") == "out 1\nout 2\nout 3\n")
            #expect(try output.text("err") == "err 1\nerr 2\nerr 3\n")
            let epoch = try #require(try home.ask("GET", "/api/sessions/both").json["epoch"].text)
            #expect(output.lastID == "\(epoch):18:18")
            output.close()
            // In the middle of it, by the address and by the header, which has the last word.
            for path in ["?from=\(epoch):6:12", "?from=end"] {
                let rest = try home.events(
                    "/api/sessions/both/output\(path)", after: path == "?from=end" ? "\(epoch):6:12" : nil)
                try rest.read { !$0.filter { $0.name == "out" }.isEmpty && !$0.filter { $0.name == "err" }.isEmpty }
                #expect(try rest.text("out", from: 6) == "out 2\nout 3\n")
                #expect(try rest.text("err", from: 12) == "err 3\n")
                rest.close()
            }
            let last = try home.events("/api/sessions/both/output?from=last:6")
            try last.read { $0.count > 1 }
            #expect(try last.text("out", from: 12) == "out 3\n" && last.text("err", from: 12) == "err 3\n")
            last.close()
        }
    }

    @Test("a client goes on behind its last event when the server was killed, without a hole") func resume() throws {
        try withDashboard { home in
            try home.start("count", ["sh", "-c", "n=0; while read -r line; do n=$((n + 1)); echo \"$n $line\"; done"])
            var output = try home.events("/api/sessions/count/output")
            var text = ""
            for round in 0..<3 {
                let lines = (0..<200).map { "line \(round) \($0)" }
                #expect(try home.send(lines, to: "count").allSatisfy { $0 == "written" })
                let from = text.utf8.count
                // The connection breaks somewhere in the middle.
                try output.read { !$0.isEmpty }
                try home.server.end(by: .kill)
                try output.readToEnd()
                text += try output.text("out", from: from)
                let last = try #require(output.lastID)
                output.close()
                try home.restart()
                output = try home.events("/api/sessions/count/output", after: last)
            }
            let wanted = (0..<600).map { "\($0 + 1) line \($0 / 200) \($0 % 200)\n" }.joined()
            let from = text.utf8.count
            try output.read { _ in try! from + output.text("out", from: from).utf8.count >= wanted.utf8.count }
            #expect(try text + output.text("out", from: from) == wanted)
            output.close()
        }
    }

    @Test("what is no longer kept is told as a gap") func gap() throws {
        try withDashboard { home in
            // More than the 8 MiB that are kept.
            try home.start("much", ["sh", "-c", "head -c 12000000 /dev/zero | tr '\\0' x; echo; echo end; exec cat"])
            let all = try home.events("/api/sessions/much/output?from=last:4")
            try all.read { $0.contains { $0.data["text"].text?.hasSuffix("end\n") == true } }
            all.close()
            let output = try home.events("/api/sessions/much/output")
            try output.read { $0.contains { $0.data["text"].text?.hasSuffix("end\n") == true } }
            let gap = try #require(output.events.first)
            #expect(gap.name == "gap" && gap.data["stream"] == "out" && gap.data["from"] == 0)
            let end = try #require(gap.data["to"].number)
            #expect(end > 3_000_000)
            #expect(try end + output.text("out", from: end).utf8.count == 12_000_005)
            output.close()
        }
    }

    @Test("a session that begins anew is told, and its new output follows") func anew() throws {
        try withDashboard { home in
            let first = try home.start("again", ["sh", "-c", "echo first; exec cat"])
            var output = try home.events("/api/sessions/again/output")
            try output.read { !$0.isEmpty }
            let last = try #require(output.lastID)
            try home.stop("again")
            try output.readToEnd()
            #expect(output.events.last?.name == "ended" && output.events.last?.id == last)
            output.close()
            let second = try home.start("again", ["sh", "-c", "echo second; exec cat"])
            #expect(second["epoch"] != first["epoch"])
            output = try home.events("/api/sessions/again/output", after: last)
            try output.read { $0.count > 1 }
            #expect(
                output.events[0]
                    == Event(id: "\(second["epoch"].text ?? ""):0:0", name: "anew", data: ["epoch": second["epoch"]]))
            #expect(output.events[1].data["text"] == "second\n")
            output.close()
        }
    }

    @Test("characters are not cut, bytes that are none are replaced, and base64 has the bytes") func coding() throws {
        try withDashboard { home in
            // The euro sign in two writes, then a byte that begins nothing, at the end.
            try home.start(
                "text",
                ["sh", "-c", "printf '\\342\\202'; read -r go; printf '\\254 \\377'; printf '\\303'; read -r end"])
            let output = try home.events("/api/sessions/text/output")
            let raw = try home.events("/api/sessions/text/output?as=base64")
            try raw.read { !$0.isEmpty }
            #expect(raw.events[0].data["base64"] == "4oI=")
            _ = try home.send(["go", "end"], to: "text")
            try output.readToEnd()
            try raw.readToEnd()
            #expect(try output.text("out") == "€ \u{FFFD}\u{FFFD}")
            #expect(output.events.first?.data["length"] != 2)
            #expect(output.lastID?.hasSuffix(":6:0") == true)
            output.close()
            raw.close()
        }
    }

    @Test("a client that takes nothing costs no memory and holds up nobody, not even the server's end") func slow()
        throws
    {
        try withDashboard { home in
            let byteCount = 30_000_000
            try home.start(
                "fast", ["sh", "-c", "read -r go; head -c \(byteCount) /dev/zero | tr '\\0' x; echo; exec cat"])
            let frozen = try (0..<4).map { _ in
                try home.exchange("GET", "/api/sessions/fast/output")
            }
            let board = try home.exchange("GET", "/api/events")
            // They are being served.
            let output = try home.events("/api/sessions/fast/output?from=end")
            _ = try home.send(["go"], to: "fast")
            let before = ProcessFigures(of: home.server.process.pid).memory?.own
            try output.read { $0.contains { $0.data["text"].text?.hasSuffix("\n") == true } }
            output.close()
            if let before, let after = ProcessFigures(of: home.server.process.pid).memory?.own {
                #expect(after - before < 40 * 1024, "\(before) to \(after) KiB for \(byteCount) bytes to four clients")
            }
            #expect(try home.send(["still here"], to: "fast") == ["written"])
            try home.server.end()
            #expect(home.server.status == .exited(code: 0))
            for exchange in frozen + [board] { exchange.close() }
            try home.restart()
        }
    }

    @Test("so many streams are open at a time, and one that ends makes room for another") func bounded() throws {
        try withDashboard { home in
            let open = try (0..<128).map { _ in try home.events("/api/events") }
            for reader in open { try reader.read { !$0.isEmpty } }
            let refused = try home.ask("GET", "/api/events")
            #expect(try refused.status == 503 && refused.json["error"]["code"] == "too-many-streams")
            // Everything else goes on.
            #expect(try home.ask("GET", "/api/sessions").status == 200)
            open[64].close()
            let deadline = SystemClock.monotonicTime + hangTimeout
            var status = 503
            while status == 503, SystemClock.monotonicTime < deadline {
                status = try home.ask("GET", "/api/events").status
            }
            #expect(status == 200)
            for reader in open { reader.close() }
        }
    }
}
