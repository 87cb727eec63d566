import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper list --ended, list --label, prune") struct EndedCommandTests {
    @Test("list shows ended sessions and how they ended, and finds sessions by their labels") func list() throws {
        try CommandHome.with { home in
            for (id, label) in [("a", "user=ann"), ("b", "user=bob"), ("c", "user=ann")] {
                let child = "read x; exit 3"
                #expect(try home.run("spawn", id, "--label", label, "--", "sh", "-c", child).code == 0)
            }
            let ann = try home.run("list", "--label", "user=ann", "--json")
            #expect(ann.lines.count == 2 && ann.lines.allSatisfy { $0.contains(#""labels":{"user":"ann"}"#) }, "\(ann)")
            #expect(try home.run("list", "--label", "user").lines.count == 4)
            let none = try home.run("list", "--label", "user=ann", "--label", "user=bob")
            #expect(none.code == 0 && none.output.isEmpty && none.errors.contains("with that label"), "\(none)")
            #expect(try home.run("list", "--label", "=x").code == 64)
            #expect(try home.run("list", "--ended").output.isEmpty)
            #expect(try home.run("eof", "a").code == 0 && home.run("wait", "a").code == 3)
            #expect(try home.run("eof", "b").code == 0 && home.run("wait", "b").code == 3)
            let ended = try home.run("list", "--ended")
            #expect(ended.code == 0 && ended.lines.count == 3, "\(ended)")
            #expect(ended.lines.last?.hasSuffix("its child exited with code 3") == true, "\(ended)")
            let json = try home.run("list", "--ended", "--json", "--label", "user=bob")
            #expect(json.lines.count == 1 && json.output.contains(#""session":"b","state":"ended"}"#), "\(json)")
            #expect(try home.run("list").lines.count == 2)
        }
    }

    @Test("prune removes what ended sessions have left, and nothing of those that run") func prune() throws {
        try CommandHome.with { home in
            for id in ["a", "b", "c"] {
                #expect(try home.run("spawn", id, "--", "sh", "-c", "echo \(id); exec cat").code == 0)
            }
            #expect(try home.run("kill", "a", "b").code == 0)
            let nothing = try home.run("prune", "--json")
            #expect(nothing.lines == [#"{"bytesFreed":0,"sessions":[]}"#], "\(nothing)")
            let run = try home.run("prune", "--keep", "0")
            #expect(run.code == 0 && run.lines.sorted() == ["session a: pruned", "session b: pruned"], "\(run)")
            #expect(try home.run("read", "a").code == 1)
            #expect(try Files.names(inDirectory: home.sessions).allSatisfy { $0.contains("c") && !$0.hasPrefix("a.") })
            #expect(try home.run("read", "c").output == "c\n")
            #expect(try home.run("prune", "--keep", "-1").code == 64)
        }
    }

    @Test("prune removes a lost session whose record cannot be written any more, and leaves directories alone")
    func pruneUnwritable() throws {
        try CommandHome.with { home in
            let spawn = try home.run("spawn", "a", "--json", "--", "cat")
            let pid = try #require(home.number("keeperPID", in: spawn.output), "\(spawn)")
            try Files.makeDirectory(at: "\(home.sessions)/b.session.json")
            try Processes.send(.kill, to: pid)
            try home.eventually("its keeper has gone") { Processes.liveness(of: pid) == .gone }
            let run = try CommandRun(
                ["prune", "--keep", "0", "--days", "0"], home: home.home, shell: #"ulimit -f 0; exec "$@""#)
            #expect(run.code == 0 && run.lines == ["session a: pruned"], "\(run)")
            let left = try Files.names(inDirectory: home.sessions)
            #expect(left == ["b.session.json"], "\(left)")
        }
    }
}
