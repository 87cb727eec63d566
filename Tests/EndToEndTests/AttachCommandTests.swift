import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper attach") struct AttachCommandTests {
    private static let child = "while read -r x; do echo \"out $x\"; echo \"err $x\" >&2; done; echo bye; exit 5"

    @Test("by pipe, lines go in, both streams come out, and the session goes on") func pipe() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sh", "-c", Self.child).code == 0)
            let run = try home.run("attach", "s", stdin: Array("a\nb".utf8))
            #expect(run.code == 0 && run.output == "out a\nout b\n" && run.errors == "err a\nerr b\n", "\(run)")
            let json = try home.run("attach", "s", "--json", "--last", "6", stdin: Array("c\n".utf8))
            #expect(json.code == 0 && json.lines.last == #"{"detached":true}"#, "\(json)")
            #expect(json.output.contains(#""offset":6,"stream":"out","text":"out b\n"#), "\(json)")
            #expect(try home.run("status", "s").code == 0)
        }
    }

    @Test("with --eof the end of stdin is the end of the child's input, and the child's code is the command's")
    func eof() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sh", "-c", Self.child).code == 0)
            let run = try home.run("attach", "s", "--eof", stdin: Array("a\n".utf8))
            #expect(run.code == 5 && run.output == "out a\nbye\n", "\(run)")
            #expect(run.errors == "err a\nuvkeeper: session s has ended; its child exited with code 5\n", "\(run)")
            #expect(try home.run("attach", "s").code == 1)
            #expect(try home.run("attach", "nobody").code == 1)
        }
    }

    @Test(
        "the end of a session ends it with the child's code, whether output is kept or not, and whether input is left",
        arguments: [[], ["--no-output"], ["--capture-output"]])
    func ends(options: [String]) throws {
        try CommandHome.with { home in
            // The first input stays open, the others end before the child does or with it.
            let fifo = "mkfifo \"\(home.home)/in\"; exec 3<> \"\(home.home)/in\"; echo go >&3; exec \"$@\" <&3"
            for (arguments, shell) in [([], fifo), (["--json"], nil), (["--quiet", "1000"], nil), (["--eof"], nil)] {
                #expect(try home.run(["spawn", "s"] + options + ["--", "sh", "-c", "read x; exit 5"]).code == 0)
                let all = ["attach", "s"] + (arguments == ["--json"] ? ["--json", "--quiet", "1000"] : arguments)
                let run = try CommandRun(
                    all, stdin: shell == nil ? Array("go\n".utf8) : [], home: home.home, shell: shell)
                #expect(run.code == 5, "\(arguments) \(run)")
                if arguments == ["--json"] {
                    #expect(run.lines.last?.contains(#"{"exit":{"#) == true, "\(run)")
                } else {
                    let end = "uvkeeper: session s has ended; its child exited with code 5\n"
                    #expect(run.errors.hasSuffix(end) && !run.errors.contains("refused"), "\(arguments) \(run)")
                }
            }
        }
    }

    @Test("a flood that comes back while it is sent is passed on whole") func flood() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            let lines = (0..<200_000).map { "line \($0)\n" }.joined()
            let run = try home.run("attach", "s", "--eof", stdin: Array(lines.utf8))
            #expect(run.code == 0 && run.output == lines, "\(run.code ?? -1) \(run.bytes.count) \(run.errors)")
        }
    }

    @Test("on a terminal, lines that are typed go in, and Ctrl-D detaches") func terminal() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sh", "-c", Self.child).code == 0)
            let run = try TerminalRun.of("attach", "s", home: home.home) { run in
                try run.eventually { run.shown.contains("attached to session s; Ctrl-D detaches") }
                run.type("typed\r")
                try run.eventually { run.shown.contains("out typed\r\n") && run.shown.contains("err typed\r\n") }
                run.type("\u{04}")
            }
            #expect(run.status == .exited(code: 0))
            #expect(try home.run("status", "s").code == 0)
        }
    }
}
