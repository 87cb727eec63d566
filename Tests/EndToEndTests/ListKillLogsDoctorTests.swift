import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper list, kill, logs and doctor") struct ListKillLogsDoctorTests {
    @Test("list shows live and stale sessions with pids, age and memory, and changes nothing") func list() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "live", "--", "cat").code == 0)
            let stale = try home.run("spawn", "stale", "--json", "--", "cat")
            let keeper = try #require(home.number("keeperPID", in: stale.output))
            try Processes.send(.kill, to: keeper)
            try home.eventually("the keeper is gone") { !Processes.isProcessAlive(keeper) }
            let before = try Files.names(inDirectory: home.sessions)
            let run = try home.run("list")
            #expect(run.code == 0)
            let rows = run.lines.map { $0.split(separator: " ").map(String.init) }
            #expect(rows.first == ["SESSION", "STATE", "KEEPER", "CHILD", "AGE", "KEEPER", "MEM", "CHILD", "MEM"])
            #expect(rows.dropFirst().map { Array($0.prefix(2)) } == [["live", "live"], ["stale", "stale"]])
            let json = try home.run("list", "--json").lines
            #expect(json.count == 2)
            #expect(json[0].contains(#""state":"live""#) && json[0].contains("keeperMemoryBytes"), "\(json)")
            #expect(json[1].contains(#""state":"stale""#) && !json[1].contains("keeperPID"), "\(json)")
            #expect(try Files.names(inDirectory: home.sessions) == before)
        }
    }

    @Test("list of a directory that is not there is empty") func emptyList() throws {
        try CommandHome.with { home in
            let run = try home.run("list")
            #expect(run.code == 0 && run.output.isEmpty && run.errors.contains("no sessions"))
            #expect(try home.run("list", "--json").output.isEmpty)
        }
    }

    @Test("kill ends keeper and child and leaves logs only") func kill() throws {
        try CommandHome.with { home in
            let spawned = try home.run(
                "spawn", "s", "--json", "--", "sh", "-c", "trap '' TERM; while read x; do :; done")
            let child = try #require(home.number("childPID", in: spawned.output))
            let run = try home.run("kill", "s", "--json")
            #expect(run.code == 0 && run.lines == [#"{"result":"stopped","session":"s"}"#], "\(run)")
            #expect(!Processes.isProcessAlive(child))
            #expect(
                try Files.names(inDirectory: home.sessions) == ["keeper-launch-s.log", "keeper-s.log"])
            #expect(try home.run("kill", "s").code == 1)
        }
    }

    @Test("kill ends a frozen keeper by SIGKILL and removes its files") func killFrozen() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "cat")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            try Processes.send(.stop, to: keeper)
            let run = try home.run("kill", "s", "--grace", "0.1", "--json")
            #expect(run.code == 0 && run.lines == [#"{"result":"killed","session":"s"}"#], "\(run)")
            try home.eventually("the keeper is gone") { !Processes.isProcessAlive(keeper) }
            #expect(try Files.names(inDirectory: home.sessions) == ["keeper-launch-s.log", "keeper-s.log"])
        }
    }

    @Test("kill of a session whose keeper is dead names the child that may still run") func killStale() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "sleep", "1000")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            let child = try #require(home.number("childPID", in: spawned.output))
            defer { #expect(throws: Never.self) { try Processes.send(.kill, to: child) } }
            try Processes.send(.kill, to: keeper)
            try home.eventually("the keeper is gone") { !Processes.isProcessAlive(keeper) }
            let run = try home.run("kill", "s")
            #expect(
                run.code == 0 && run.errors.contains("process \(child), which was its child, may still run"), "\(run)")
            #expect(run.output.contains("removed what a dead keeper had left"), "\(run)")
            #expect(try home.run("kill", "s").code == 1)
            #expect(try Files.names(inDirectory: home.sessions) == ["keeper-launch-s.log", "keeper-s.log"])
        }
    }

    @Test("a keeper that has lost its pid file is listed, and ended with the others") func lostPIDFile() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "cat")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            try Files.unlink(home.sessions + "/s.rpc.sock.pid")
            let list = try home.run("list", "--json")
            #expect(home.number("keeperPID", in: list.output) == keeper && list.output.contains(#""state":"live""#))
            #expect(try home.run("kill", "--all").code == 0)
            #expect(!Processes.isProcessAlive(keeper))
            #expect(try Files.names(inDirectory: home.sessions) == ["keeper-launch-s.log", "keeper-s.log"])
        }
    }

    @Test("kill of a frozen keeper names a child that has left its process group") func killFrozenOrphan() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "setsid", "sleep", "1000")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            let child = try #require(home.number("childPID", in: spawned.output))
            defer { #expect(throws: Never.self) { try Processes.send(.kill, to: child) } }
            try Processes.send(.stop, to: keeper)
            let run = try home.run("kill", "s", "--grace", "0.1")
            #expect(run.code == 0 && run.errors.contains("process \(child), which was its child"), "\(run)")
        }
    }

    @Test("kill --all ends every session") func killAll() throws {
        try CommandHome.with { home in
            for name in ["a", "b", "c"] { #expect(try home.run("spawn", name, "--no-wait", "--", "cat").code == 0) }
            try home.eventually("three live") { try home.run("list", "--json").lines.count == 3 }
            #expect(try home.run("kill", "--all").code == 0)
            #expect(try home.run("list", "--json").output.isEmpty)
            #expect(try home.run("kill", "--all").code == 0)
        }
    }

    @Test("logs prints all, the last lines, and JSON") func logs() throws {
        try CommandHome.with { home in
            let script = #"echo one; echo two; printf 'not UTF-8: \377\n'; printf three; cat >/dev/null"#
            #expect(try home.run("spawn", "s", "--capture-output", "--", "sh", "-c", script).code == 0)
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
                            manager.writeRPC("one", to: "s") { #expect($0 == .written) }
                        } else if step == 1, output.contains("got one") {
                            step = 2
                            try! OpenFile(path, .readWrite).truncate()
                            manager.writeRPC("two", to: "s") { #expect($0 == .written) }
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

    @Test("doctor finds nothing wrong here, and says what is wrong elsewhere") func doctor() throws {
        try CommandHome.with { home in
            let run = try home.run("doctor")
            #expect(run.code == 0 && run.output.contains(LibUV.version), "\(run)")
            #expect(try home.run("doctor", "--json").lines.count == 8)
            let deep = home.home + "/" + String(repeating: "d", count: 100)
            let long = try home.run("doctor", "--sessions-dir", deep)
            #expect(long.code == 1 && long.output.contains("path length  failed"), "\(long)")
            let missing = try CommandRun(["doctor"], home: home.home, sidecar: "/no/sidecar")
            #expect(missing.code == 1 && missing.output.contains("sidecar      failed"), "\(missing)")
        }
    }

    @Test("every subcommand explains itself") func help() throws {
        try CommandHome.with { home in
            for command in [[], ["spawn"], ["send"], ["list"], ["kill"], ["logs"], ["doctor"]] {
                let run = try CommandRun(command + ["--help"], home: home.home)
                #expect(run.code == 0 && run.output.contains("USAGE:"), "\(command): \(run)")
            }
            #expect(try home.run("--version").output == "0.1.0\n")
            #expect(try home.run("--generate-completion-script", "bash").code == 0)
        }
    }
}
