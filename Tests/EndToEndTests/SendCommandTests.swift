import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper send") struct SendCommandTests {
    @Test("writes a line") func line() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            let run = try home.run("send", "s", #"{"jsonrpc":"2.0","method":"π"}"#)
            #expect(run.code == 0 && run.output.isEmpty && run.errors.isEmpty, "\(run)")
            try home.eventually("the line arrives") {
                try home.contents(of: "out") == "{\"jsonrpc\":\"2.0\",\"method\":\"π\"}\n"
            }
        }
    }

    @Test("writes every line of stdin, in order, the last with its newline added") func stdin() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            let lines = (0..<50_000).map { "line \($0)" }.joined(separator: "\n")
            let run = try home.run("send", "s", "--json", stdin: Array(lines.utf8))
            #expect(run.code == 0, "\(run)")
            #expect(
                run.lines == [#"{"bytes":\#(lines.utf8.count + 1),"lines":50000,"outcome":"written"}"#], "\(run)")
            try home.eventually("all lines arrive") { try home.contents(of: "out") == lines + "\n" }
        }
    }

    @Test("is refused without a keeper") func refused() throws {
        try CommandHome.with { home in
            for run in [
                try home.run("send", "nobody", "hi"), try home.run("send", "nobody", stdin: Array("hi\n".utf8)),
            ] {
                #expect(run.code == 1 && run.errors.contains("refused"), "\(run)")
            }
        }
    }

    @Test("tells a keeper that nothing can reach from none") func unreachable() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            try Files.unlink(home.sessions + "/s.rpc.sock")
            let early = try home.run("send", "s", "hi")
            #expect(early.code == 1 && early.errors.contains("; its keeper, process "), "\(early)")
            // One that is younger than a second may be about to publish its socket.
            try home.eventually("it is old enough") {
                try home.run("send", "s", stdin: Array("hi\n".utf8)).errors
                    .contains("lives, and nothing can reach it: uvkeeper kill s")
            }
        }
    }

    @Test("does not know what became of lines that a frozen keeper has taken") func frozen() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--cwd", home.home, "--", "sh", "-c", "cat > out")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            try Processes.send(.stop, to: keeper)
            let line = try home.run("send", "s", "--json", "one")
            #expect(line.code == 2 && line.output.contains(#""outcome":"unknown""#), "\(line)")
            let stream = try home.run("send", "s", "--timeout", "0.5", stdin: Array("two\n".utf8))
            #expect(stream.code == 2 && stream.errors.contains("unknown"), "\(stream)")
            try Processes.send(.continue, to: keeper)
            try home.eventually("both arrive after all, once") { try home.contents(of: "out") == "one\ntwo\n" }
        }
    }

    @Test("ends at once when the keeper ends while stdin stays open") func keeperEnds() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sh", "-c", "read line; sleep 0.4; exit 0").code == 0)
            // The shell's `sleep` keeps the command's stdin open; the command must not wait for it.
            let script = #""$0" send s < <(echo bye; exec sleep 60); echo "code $?""#
            var environment = ProcessEnvironment.current
            environment["PI_DASHBOARD_HOME"] = home.home
            let configuration = ChildProcess.Configuration(
                executable: "bash", arguments: ["-c", script, BuiltProducts.executable("uvkeeper")],
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
            #expect(String(decoding: output, as: UTF8.self) == "code 2\n")
        }
    }
}
