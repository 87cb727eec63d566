import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper send") struct SendCommandTests {
    @Test("writes a line") func line() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            let line = #"{"jsonrpc":"2.0","method":"π"}"#
            var count = 0
            var run: CommandRun
            // On a slow machine the three quick attempts may pass before the keeper has its turn: once more.
            repeat {
                run = try home.run("send", "s", line)
                count += 1
            } while run.code == 2 && count < 100
            #expect(run.code == 0 && run.output.isEmpty && run.errors.isEmpty, "\(run)")
            try home.eventually("each line arrives") {
                home.contents(of: "out") == String(repeating: line + "\n", count: count)
            }
        }
    }

    @Test("writes every line of stdin, in order, the last with its newline added") func stdin() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            let lines = (0..<50_000).map { "line \($0)" }.joined(separator: "\n")
            let run = try home.run("send", "--json", "s", stdin: Array(lines.utf8))
            #expect(run.code == 0, "\(run)")
            #expect(
                run.lines == [#"{"bytes":\#(lines.utf8.count + 1),"lines":50000,"outcome":"written"}"#], "\(run)")
            try home.eventually("all lines arrive") { home.contents(of: "out") == lines + "\n" }
        }
    }

    @Test("a file of very short lines is written as any other") func shortLines() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            let lines = String(repeating: "\n", count: 150_000)
            try Posix.write(lines, to: home.home + "/in")
            let run = try CommandRun(["send", "s"], home: home.home, shell: "exec \"$@\" < \"\(home.home)/in\"")
            #expect(run.code == 0 && run.errors.contains("150000 lines"), "\(run)")
            try home.eventually("all lines arrive") { home.contents(of: "out") == lines }
        }
    }

    @Test("is refused without a keeper, also if there is nothing to send") func refused() throws {
        try CommandHome.with { home in
            for run in [
                try home.run("send", "nobody", "hi"), try home.run("send", "nobody", stdin: Array("hi\n".utf8)),
                try home.run("send", "nobody"),
            ] {
                #expect(run.code == 1 && run.errors.contains("refused"), "\(run)")
            }
        }
    }

    @Test("nothing to send to a session that lives, or has, is written") func nothing() throws {
        try CommandHome.with { home throws in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            #expect(try home.run("send", "s").code == 0)
            #expect(try home.run("eof", "s").code == 0)
            #expect(try home.run("wait", "s").code == 0)
            #expect(try home.run("send", "s").code == 0)
        }
    }

    @Test("lines to a keeper without a channel are sent: nobody says that the child's pipe has them") func sent() throws
    {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            let one = try home.run("send", "--json", "--timeout", "60", "s", "one")
            #expect(one.lines == [#"{"bytes":4,"lines":1,"outcome":"written"}"#], "\(one)")
            try Files.unlink(home.sessions + "/s.ctl.sock")
            let two = try home.run("send", "--json", "--timeout", "60", "s", "two")
            #expect(two.code == 0 && two.lines == [#"{"bytes":4,"lines":1,"outcome":"sent"}"#], "\(two)")
            let three = try home.run("send", "--json", "s", stdin: Array("three\n3\n".utf8))
            #expect(three.code == 0 && three.lines == [#"{"bytes":8,"lines":2,"outcome":"sent"}"#], "\(three)")
            let four = try home.run("send", "s", stdin: Array("four\n4\n".utf8))
            #expect(four.code == 0 && four.errors == "uvkeeper: 2 lines, 7 B sent\n", "\(four)")
            let long = try home.run("send", "--max-line", "5", "s", stdin: Array("a\nb\nabcdef\n".utf8))
            #expect(long.code == 1 && long.errors.hasSuffix("; the 2 lines before it are sent\n"), "\(long)")
            let single = try home.run("send", "s", stdin: Array("c\n".utf8))
            #expect(single.errors == "uvkeeper: 1 line, 2 B sent\n", "\(single)")
            // On a slow machine the three quick attempts may pass.
            var last: CommandRun
            repeat { last = try home.run("send", "--json", "s", "last") } while last.code == 2
            #expect(last.lines == [#"{"bytes":5,"lines":1,"outcome":"sent"}"#], "\(last)")
            try home.eventually("all arrive") {
                home.contents(of: "out").hasPrefix("one\ntwo\nthree\n3\nfour\n4\na\nb\nc\nlast\n")
            }
        }
    }

    @Test("tells a keeper that nothing can reach from none") func unreachable() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            try Files.unlink(home.sessions + "/s.rpc.sock")
            try Files.unlink(home.sessions + "/s.ctl.sock")
            let early = try home.run("send", "s", "hi")
            #expect(early.code == 1 && early.errors.contains("the keeper of session s, process "), "\(early)")
            // One that is younger than a second may be about to publish its socket.
            try home.eventually("it is old enough") {
                try home.run("send", "s", stdin: Array("hi\n".utf8)).errors.contains("rpc.sock is gone; kill -USR1 ")
            }
            for command in [["status"], ["read"], ["eof"], ["label", "a=b"], ["request", "x"]] {
                let run = try home.run([command[0], "s"] + command.dropFirst())
                #expect(run.code == 1 && run.errors.contains(" lives, and its socket "), "\(run)")
            }
            let pid = try #require(home.number("keeperPID", in: try home.run("list", "--json").output))
            try Processes.send(.user1, to: pid)
            try home.eventually("the sockets are made anew") { try home.run("send", "s", "hi").code == 0 }
        }
    }

    @Test("nothing leaves for a keeper that is frozen and cannot say who it is") func frozen() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--cwd", home.home, "--", "sh", "-c", "cat > out")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            try Processes.send(.stop, to: keeper)
            // It says no hello, so nothing is sent.
            let line = try home.run("send", "s", "--json", "one")
            #expect(line.code == 1 && line.output.contains(#""outcome":"refused""#), "\(line)")
            let stream = try home.run("send", "s", "--timeout", "0.5", stdin: Array("two\n".utf8))
            #expect(stream.code == 1 && stream.errors.contains("refused"), "\(stream)")
            try Processes.send(.continue, to: keeper)
            #expect(try home.run("send", "--timeout", "60", "s", "three").code == 0)
            try home.eventually("the last arrives, and it alone") { home.contents(of: "out") == "three\n" }
        }
    }

    @Test("does not know what becomes of lines that the keeper has, and the child's pipe has no room for")
    func blocked() throws {
        try CommandHome.with { home in
            let child = "until [ -e go ]; do sleep 0.01; done; exec cat > out"
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", child).code == 0)
            let large = String(repeating: "x", count: 100_000)
            let line = try home.run("send", "s", "--json", large)
            #expect(line.code == 2 && line.output.contains(#""outcome":"unknown""#), "\(line)")
            let stream = try home.run("send", "s", "--timeout", "0.5", stdin: Array("two\n".utf8))
            #expect(stream.code == 2 && stream.errors.contains("unknown"), "\(stream)")
            try Posix.write("", to: home.home + "/go")
            try home.eventually("both arrive after all, once") { home.contents(of: "out") == large + "\ntwo\n" }
        }
    }

    @Test("ends at once when the keeper ends while stdin stays open") func keeperEnds() throws {
        try CommandHome.with { home in
            // Once its line has been read, the command waits for more; only the end of the keeper can tell it.
            let child = "read line; echo >got; while ! [ -e go ]; do sleep 0.01; done; exit 0"
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", child).code == 0)
            // The shell's `sleep` keeps the command's stdin open; the command must not wait for it.
            let wait = #"while ! [ -s "$1/got" ]; do sleep 0.01; done; echo >"$1/go""#
            let script = #""$0" send s < <(echo bye; \#(wait); exec sleep 60); echo "code $?""#
            var environment = ProcessEnvironment.current
            environment["PI_DASHBOARD_HOME"] = home.home
            let configuration = ChildProcess.Configuration(
                executable: "bash", arguments: ["-c", script, BuiltProducts.executable("uvkeeper"), home.home],
                environment: environment, stdio: [.ignore, .pipe, .ignore], flags: [.detached])
            var output: [UInt8] = []
            try withLoop { loop in
                let child = try ChildProcess(configuration, on: loop) { _, _ in }
                try child.streams[1]!.readStart(
                    onBytes: { stream, bytes in
                        bytes.withUnsafeBytes { output += $0 }
                        if output.last == UInt8(ascii: "\n") {
                            #expect(throws: Never.self) { try child.killGroup(.kill) }
                        }
                    },
                    onEnd: { stream, _ in stream.close() })
            }
            // 1 if the keeper has confirmed the line before it ended: the rest was not sent.
            #expect(["code 1\n", "code 2\n"].contains(String(decoding: output, as: UTF8.self)))
        }
    }

    @Test("a line that is too long is refused before a byte of it leaves; those before it are written")
    func tooLong() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            func line(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x78, count: count - 1) + [0x0A] }
            let argument = try home.run("send", "--max-line", "10", "s", "0123456789")
            #expect(argument.code == 1 && argument.errors.contains("10 are allowed"), "\(argument)")
            let patient = try home.run("send", "--timeout", "9", "--max-line", "10", "s", "0123456789")
            #expect(patient.code == 1 && patient.errors.contains("longer than 10 bytes"), "\(patient)")
            let alone = try home.run("send", "s", stdin: line(KeeperConstants.defaultMaximumLineLength + 1))
            #expect(alone.code == 1 && alone.errors.contains("refused: a line is longer than 16777216"), "\(alone)")
            // At the bound in every way a chunk can end.
            for (input, lines) in [
                (line(10) + line(11), 1), (line(11), 0), (line(10) + line(10).dropLast() + [0x78], 1),
                (line(10) + line(3) + line(200_000) + line(1), 2), (line(200_000), 0),
            ] {
                let run = try home.run("send", "--json", "--max-line", "10", "s", stdin: input)
                #expect(run.code == 1 && run.output.contains("\"lines\":\(lines),"), "\(input.count): \(run)")
            }
            let fits = try home.run("send", "--max-line", "10", "s", stdin: line(10) + line(10).dropLast())
            #expect(fits.code == 0, "\(fits)")
            let expected = [10, 10, 10, 3, 10, 10].flatMap { line($0) }
            try home.eventually("exactly the lines that fit arrive") {
                home.contents(of: "out") == String(decoding: expected, as: UTF8.self)
            }
        }
    }

    @Test("a line has the patience it is given, and three quick attempts else") func patience() throws {
        try expectScript(
            """
            cd "$1" && mkfifo go
            "$2" spawn s --sessions-dir "$1" -- sh -c 'read x < go; exec cat > out' || exit 2
            line=$(head -c 100000 /dev/zero | tr '\\0' x)
            "$2" send --sessions-dir "$1" s "$line" && exit 3
            "$2" send --sessions-dir "$1" --timeout 100 s "- $line" &
            echo go > go
            wait $! || exit 4
            until tail -n 1 out | grep -q '^- x*$' && [ -z "$(tail -c 1 out)" ]; do sleep 0.01; done
            "$2" kill s --sessions-dir "$1"
            """)
    }

    @Test("a pid file that was removed keeps no line from the child") func pidFileRemoved() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            try Files.unlink(home.sessions + "/s.rpc.sock.pid")
            #expect(try home.run("send", "--timeout", "60", "s", "x").code == 0)
            #expect(try home.run("send", "s", stdin: [0x79, 0x0A]).code == 0)
            try home.eventually("both arrive") { try home.run("read", "s").output == "x\ny\n" }
        }
    }
}
