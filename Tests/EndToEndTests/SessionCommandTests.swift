import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper status, eof, signal, label") struct SessionCommandTests {
    @Test("status tells what a session does, how it ended, and that there is none, by its exit code too")
    func status() throws {
        try CommandHome.with { home in
            let child = "read x; echo why >&2; exit 9"
            #expect(try home.run("spawn", "s", "--label", "user=ann", "--", "sh", "-c", child).code == 0)
            let live = try home.run("status", "s")
            #expect(live.code == 0 && live.output.contains("running") && live.output.contains("user=ann"), "\(live)")
            let json = try home.run("status", "s", "--json")
            #expect(json.code == 0 && json.output.contains(#""state":"running""#), "\(json)")
            #expect(json.output.contains(#""labels":{"user":"ann"}"#), "\(json)")
            #expect(try home.run("eof", "s").code == 0)
            #expect(try home.run("wait", "s").code == 9)
            let ended = try home.run("status", "s")
            #expect(ended.code == 3 && ended.output.contains("its child exited with code 9"), "\(ended)")
            #expect(ended.output.contains("why"), "\(ended)")
            let record = try home.run("status", "s", "--json")
            #expect(record.code == 3 && record.output.contains(#""state":"ended""#), "\(record)")
            #expect(record.output.contains(#""stderrTail":"why\n""#), "\(record)")
            let none = try home.run("status", "nobody", "--json")
            #expect(none.code == 1 && none.output.hasPrefix(#"{"error":"#), "\(none)")
        }
    }

    @Test("status is told at once of a child that does not read, and of one that is stopped") func blocked() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sleep", "1000").code == 0)
            let line = [UInt8](repeating: 0x78, count: 200_000)
            #expect(try home.run("send", "s", "--timeout", "0.3", stdin: line).code == 2)
            let run = try home.run("status", "s")
            #expect(run.code == 0 && run.output.contains("the child has not read since"), "\(run)")
        }
    }

    @Test("eof ends the child's input after what was sent; later lines are refused") func eof() throws {
        try CommandHome.with { home in
            let child = "cat; echo end; until [ -e go ]; do sleep 0.01; done"
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", child).code == 0)
            #expect(try home.run("send", "--timeout", "60", "s", "last").code == 0)
            let run = try home.run("eof", "s", "--json")
            #expect(run.code == 0 && run.lines == [#"{"result":"input-ended","session":"s"}"#], "\(run)")
            try home.eventually("the child has seen it") { try home.run("read", "s").output == "last\nend\n" }
            let late = try home.run("send", "s", "x")
            #expect(late.code == 1 && late.errors.contains("stdin of session s's child is closed"), "\(late)")
            try Posix.write("", to: home.home + "/go")
            #expect(try home.run("wait", "s").code == 0)
            for arguments in [["eof", "s"], ["eof", "nobody"], ["signal", "s", "INT"], ["label", "nobody"]] {
                let none = try home.run(arguments)
                #expect(none.code == 1 && !none.errors.isEmpty && none.output.isEmpty, "\(none)")
            }
        }
    }

    @Test("signal sends one to the child, by any spelling of its name") func signal() throws {
        try CommandHome.with { home in
            let child = "trap 'echo usr1' USR1; trap 'exit 6' INT; echo up; while :; do read x; done"
            #expect(try home.run("spawn", "s", "--", "sh", "-c", child).code == 0)
            try home.eventually("it is up") { try home.run("read", "s").output == "up\n" }
            for name in ["USR1", "sigusr1"] {
                let run = try home.run("signal", "s", name)
                #expect(run.code == 0 && run.output == "session s: SIGUSR1 sent to its child\n", "\(run)")
            }
            try home.eventually("it has got one") { try home.run("read", "s").output.contains("usr1") }
            #expect(try home.run("signal", "s", "WINCH").code == 64)
            #expect(try home.run("signal", "s", "INT", "--json").lines == [#"{"result":"signalled","session":"s"}"#])
            #expect(try home.run("wait", "s").code == 6)
        }
    }

    @Test("label sets, shows and removes labels, which outlive the session") func label() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--label", "a=1", "--label", "b=x=y", "--", "cat").code == 0)
            let set = try home.run("label", "s", "c=π", "a=")
            #expect(set.code == 0 && set.output == "b=x=y\nc=π\n", "\(set)")
            let json = try home.run("label", "s", "--json")
            #expect(json.lines == [#"{"labels":{"b":"x=y","c":"π"},"session":"s"}"#], "\(json)")
            let long = try home.run("label", "s", "d=" + String(repeating: "x", count: 1025))
            #expect(long.code == 1 && long.errors.contains("longer than 1024"), "\(long)")
            #expect(try home.run("label", "s", "nothing").code == 64)
            #expect(try home.run("kill", "s").code == 0)
            #expect(try home.run("label", "s").output == "b=x=y\nc=π\n")
            #expect(try home.run("label", "s", "e=1").code == 1)
        }
    }

    @Test("labels are bytes: two normal forms of one text are two names, and two values") func labelBytes() throws {
        try CommandHome.with { home in
            let (one, other) = ("\u{E9}", "e\u{301}")
            #expect(try home.run("spawn", "s", "--label", "\(one)=1", "--label", "\(other)=2", "--", "cat").code == 0)
            let set = try home.run("label", "s", "v=\(one)", "\(other)=3")
            #expect(set.bytes == Array("\(other)=3\nv=\(one)\n\(one)=1\n".utf8), "\(set)")
            let filters = [("v=\(one)", true), ("v=\(other)", false), ("\(one)=1", true), ("\(one)=3", false)]
            for (label, isFound) in filters + [("\(other)=3", true)] {
                #expect(try home.run("list", "--label", label).lines.count == (isFound ? 2 : 0), "\(label)")
            }
            let json = Array(#""labels":{"\#(other)":"3","v":"\#(one)","\#(one)":"1"}"#.utf8)
            for command in [["label", "s", "--json"], ["status", "s", "--json"], ["list", "--json"]] {
                #expect(try home.run(command).bytes.firstRange(of: json) != nil, "\(command)")
            }
            #expect(try home.run("label", "s", "\(one)=").bytes == Array("\(other)=3\nv=\(one)\n".utf8))
            #expect(try home.run("list", "--label", one).output.isEmpty)
        }
    }
}
