import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper logs") struct LogsCommandTests {
    @Test("logs prints all, the last lines, and JSON") func logs() throws {
        try CommandHome.with { home in
            let script = #"echo one; echo two; printf 'not UTF-8: \377\n'; printf three; cat >/dev/null"#
            #expect(try home.run("spawn", "s", "--capture-output", "--", "sh", "-c", script).code == 0)
            try home.eventually("the child has written") { home.log(of: "s").contains("three") }
            let all = try home.run("logs", "s")
            #expect(all.code == 0 && all.output.contains("keeper starting") && all.output.contains("one\ntwo\n"))
            #expect(all.bytes.contains(0xFF), "as it is, not repaired")
            #expect(try home.run("logs", "s", "-n", "1").lines.count == 1)
            #expect(try home.run("logs", "s", "-n", "0").output.isEmpty)
            let json = try home.run("logs", "s", "--json").lines
            #expect(json.contains(#"{"text":"one"}"#), "\(json)")
            #expect(json.first?.contains(#""time":"2"#) == true, "\(json)")
            #expect(try home.run("logs", "s", "--launch").code == 0)
            let none = try home.run("logs", "nobody")
            #expect(none.code == 1 && none.errors.contains("no such file"), "\(none)")
        }
    }

    @Test("logs --follow prints what is added, lines without an end too, until it is interrupted, and survives a cut")
    func follow() throws {
        try CommandHome.with { home in
            #expect(
                try home.run(
                    "spawn", "s", "--capture-output", "--", "sh", "-c", "while read x; do printf 'got %s' $x; done"
                )
                .code == 0)
            var environment = ProcessEnvironment.current
            environment["PI_DASHBOARD_HOME"] = home.home
            let configuration = ChildProcess.Configuration(
                executable: BuiltProducts.executable("uvkeeper"), arguments: ["logs", "s", "--follow"],
                environment: environment, stdio: [.ignore, .pipe, .ignore])
            let path = home.sessions + "/keeper-s.log"
            var output = ""
            try withLoop { loop in
                let manager = try KeeperManager(
                    on: loop,
                    options: {
                        var options = KeeperManager.Options(); options.sessionsDirectory = home.sessions; return options
                    }())
                let child = try ChildProcess(configuration, on: loop) { _, status in
                    #expect(status == .signaled(.interrupt))
                    manager.close()
                }
                var step = 0
                try child.streams[1]!.readStart(
                    onBytes: { _, bytes in
                        output += bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                        if step == 0, output.contains("keeper ready") {
                            step = 1
                            manager.write("one")
                        } else if step == 1, output.contains("got one") {
                            step = 2
                            try! OpenFile(path, .readWrite).truncate()
                            manager.write("two")
                        } else if step == 2, output.contains("got two") {
                            step = 3
                            try! child.kill(.interrupt)
                        }
                    },
                    onEnd: { stream, _ in stream.close() })
            }
            #expect(output.contains("got two"))
        }
    }

    @Test("logs prints a log with a hole of terabytes at once, without the hole", .enabled(if: Holes.areTold))
    func hole() throws {
        try CommandHome.with { home in
            #expect(try home.run("doctor").code == 0)
            try Files.makeDirectory(at: home.sessions)
            let log = try OpenFile(home.sessions + "/keeper-t.log", .createNew)
            try log.write(Array("one\ntwo\nbefore ".utf8))
            try log.truncate(to: 1 << 42)
            try log.write(Array("after\n".utf8), at: 1 << 42)
            log.close()
            for arguments in [["logs", "t"], ["logs", "t", "-n", "1"], ["logs", "t", "-n", "2"]] {
                let run = try home.run(arguments)
                #expect(run.code == 0)
                // The rest of a block that was written to is zero bytes.
                #expect(run.lines.last?.filter { $0 != "\0" } == "before after", "\(run.lines)")
            }
            #expect(try home.run("logs", "t", "-n", "2").lines.first == "two")
            #expect(try home.run("logs", "t").lines.count == 3)
        }
    }

    @Test("logs --json says that a line is cut, and logs says that a log was removed") func cutAndRemovedLogs() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            let log = home.sessions + "/keeper-t.log"
            let limit = 1 << 24
            let long = [UInt8](repeating: 0x78, count: limit + 1)
            try Posix.write(long.dropLast() + [0x0A] + long + [0x0A] + Array("after\nlast".utf8), to: log)
            let lines = try home.run("logs", "t", "--json").lines
            #expect(
                lines.count == 4 && lines[0].utf8.count == limit + 11
                    && lines[2...] == ["{\"text\":\"after\"}", "{\"text\":\"last\"}"])
            #expect(
                lines.count == 4 && lines[1].hasPrefix("{\"cut\":true,\"text\":\"xx")
                    && lines[1].utf8.count == limit + 22)
            try Files.unlink(home.sessions + "/keeper-s.log")
            let removed = try home.run("logs", "s")
            #expect(
                removed.code == 1 && removed.errors.contains("moved or removed while the session runs"), "\(removed)")
        }
    }
}

extension KeeperManager {
    /// A line that a slow machine does not confirm in time arrives; one that is refused for that is written again.
    fileprivate func write(_ line: String) {
        writeRPC(line, to: "s") { outcome in
            switch outcome {
            case .written, .sent, .unknown(.timedOut): break
            case .refused(.timedOut): self.write(line)
            case .refused, .unknown: Issue.record("\(outcome)")
            }
        }
    }
}
