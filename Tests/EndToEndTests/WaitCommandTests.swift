import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper wait") struct WaitCommandTests {
    @Test("exits as the child did, while it runs and from its record") func codes() throws {
        try CommandHome.with { home in
            for (id, end, code) in [("a", "exit 7", 7), ("b", "kill -TERM $$", 143), ("c", "exit 0", 0)] {
                #expect(try home.run("spawn", id, "--", "sh", "-c", "read x; \(end)").code == 0)
                let configuration = [BuiltProducts.executable("uvkeeper"), "send", "--timeout", "60", id, "go"]
                let shell = "(\(configuration.joined(separator: " ")) &); exec \"$@\""
                let run = try CommandRun(["wait", id], home: home.home, shell: shell)
                #expect(run.code == Int32(code) && run.output.contains("session \(id): ended; its child"), "\(run)")
                let again = try home.run("wait", "--json", id)
                #expect(again.code == Int32(code), "\(again)")
                #expect(again.output.contains(#""session":"\#(id)","status":\#(code)}"#), "\(again)")
            }
            let all = try home.run("wait", "c", "b", "a", "b")
            #expect(all.code == 143 && all.lines.count == 3, "\(all)")
        }
    }

    @Test("waits for any, gives up in time, and tells what it cannot know") func others() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "long", "--", "cat").code == 0)
            #expect(try home.run("spawn", "short", "--", "sh", "-c", "read x; exit 4").code == 0)
            let late = try home.run("wait", "long", "--timeout", "0.1", "--json")
            #expect(late.code == 124, "\(late)")
            #expect(late.lines == [#"{"error":"not ended within 0.1 seconds: session long"}"#], "\(late)")
            #expect(try home.run("send", "--timeout", "60", "short", "go").code == 0)
            #expect(try home.run("wait", "long", "short", "--any").code == 4)
            #expect(try home.run("wait", "nobody").code == 127)
            let long = String(repeating: "x", count: 128)
            #expect(try home.run("wait", long).code == 127, "no keeper can have a socket of that name")
            #expect(try home.run("wait").code == 64)
            let spawned = try home.run("spawn", "lost", "--json", "--", "cat")
            try Processes.send(.kill, to: try #require(home.number("keeperPID", in: spawned.output)))
            let lost = try home.run("wait", "lost")
            #expect(lost.code == 2 && lost.output.contains("nobody knows how"), "\(lost)")
        }
    }

    @Test("of sessions that have ended, the first is the one that ended first, and all are told in the order given")
    func alreadyEnded() throws {
        try CommandHome.with { home in
            for (id, code, minute) in [("a", 3, 20), ("b", 5, 10), ("c", 7, 30)] {
                #expect(try home.run("spawn", id, "--", "sh", "-c", "read x; exit \(code)").code == 0)
                #expect(try home.run("send", "--timeout", "60", id, "go").code == 0)
                #expect(try home.run("wait", id).code == Int32(code))
                let path = "\(home.sessions)/\(id).session.json"
                let record = String(decoding: try Files.read(path, limit: 65536), as: UTF8.self)
                let time = #/"at":"[^"]*"/#
                #expect(record.contains(time))
                try Posix.write(record.replacing(time, with: #""at":"2026-01-02T03:\#(minute):00.000Z""#), to: path)
            }
            for order in [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"], ["a", "c", "b", "a"]] {
                let first = try CommandRun(["wait", "--any"] + order, home: home.home)
                #expect(first.code == 5, "\(first)")
                #expect(first.lines == ["session b: ended; its child exited with code 5"], "\(first)")
                let all = try CommandRun(["wait"] + order, home: home.home)
                #expect(all.code == (order[0] == "a" ? 3 : order[0] == "b" ? 5 : 7), "\(all)")
                #expect(
                    all.lines.map { String($0.split(separator: " ")[1]) } == order.prefix(3).map { $0 + ":" }, "\(all)")
                #expect(try CommandRun(["wait", "--any"] + order + ["nobody"], home: home.home).code == 127)
            }
            #expect(try home.run("spawn", "lost", "--", "cat").code == 0)
            let status = try home.run("status", "--json", "lost")
            let keeper = try #require(status.output.firstMatch(of: #/"keeper":\{[^}]*"pid":([0-9]+)/#)?.output.1)
            try Processes.send(.kill, to: try #require(Int32(keeper)))
            #expect(try home.run("wait", "lost").code == 2)
            #expect(try home.run("wait", "lost", "a", "--any").code == 3, "nobody knows when the other one ended")
        }
    }

    @Test("an end for lack of memory is told in words, by wait, status and list") func memory() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0 && home.run("kill", "s").code == 0)
            let path = "\(home.sessions)/s.session.json"
            let record = String(decoding: try Files.read(path, limit: 65536), as: UTF8.self)
            try Posix.write(record.replacing(#","stderrTail":"#, with: #","oom":true,"stderrTail":"#), to: path)
            for command in [["wait", "s"], ["status", "s"], ["list", "--ended"]] {
                let run = try CommandRun(command, home: home.home)
                #expect(run.output.contains("; a process of the session was killed for lack of memory\n"), "\(run)")
            }
            #expect(try home.run("wait", "s", "--json").output.contains(#""oom":true"#))
        }
    }
}
