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
            try home.eventually("the keeper is gone") { Processes.liveness(of: keeper) == .gone }
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

    @Test("sessions of another program whose names are none here are told of by list and kill --all") func foreign()
        throws
    {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            for name in ["a b.rpc.sock.pid", "a b.rpc.sock", "_x.rpc.sock", "ü.rpc.sock.pid", "notes.pid"] {
                try Posix.write("1", to: "\(home.sessions)/\(name)")
            }
            for arguments in [["list"], ["list", "--json"], ["kill", "--all"]] {
                let run = try home.run(arguments)
                #expect(run.code == 0 && run.lines.count == (arguments == ["list"] ? 2 : 1), "\(run)")
                #expect(run.errors.contains("left out: 3") && run.errors.contains("'_x', 'a b', 'ü'"), "\(run)")
            }
        }
    }

    @Test("a file's name is no line of the command's own") func foreignLines() throws {
        try CommandHome.with { home in
            try Files.makeDirectory(at: home.sessions)
            try Posix.write("1", to: "\(home.sessions)/x\nuvkeeper: session work: ended\n.rpc.sock.pid")
            let list = try home.run("list")
            #expect(list.errors.contains(#"'x\nuvkeeper: session work: ended\n'"#), "\(list)")
            let directory = try home.run("list", "--sessions-dir", "\(home.home)/x\nuvkeeper: no")
            #expect(directory.errors.hasSuffix("/x\n  uvkeeper: no\n"), "\(directory)")
        }
    }

    @Test("kill ends keeper and child and leaves logs only") func kill() throws {
        try CommandHome.with { home in
            let spawned = try home.run(
                "spawn", "s", "--json", "--", "sh", "-c", "trap '' TERM; while read x; do :; done")
            let child = try #require(home.number("childPID", in: spawned.output))
            let run = try home.run("kill", "s", "--json")
            #expect(run.code == 0 && run.output.hasSuffix(#""result":"stopped","session":"s"}"# + "\n"), "\(run)")
            #expect(run.output.hasPrefix(#"{"exit":{"at":""#) && run.output.contains(#""by":"eof""#), "\(run)")
            #expect(Processes.liveness(of: child) == .gone)
            #expect(
                try Files.names(inDirectory: home.sessions) == [
                    "keeper-launch-s.log", "keeper-s.log", "s.session.json",
                ])
            #expect(try home.run("kill", "s").code == 1)
        }
    }

    @Test("kill ends a frozen keeper by SIGKILL and removes its files") func killFrozen() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "cat")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            try Processes.send(.stop, to: keeper)
            let run = try home.run("kill", "s", "--grace", "0.1", "--json")
            #expect(run.code == 0 && run.output.hasSuffix(#""result":"killed","session":"s"}"# + "\n"), "\(run)")
            try home.eventually("the keeper is gone") { Processes.liveness(of: keeper) == .gone }
            #expect(
                try Files.names(inDirectory: home.sessions) == [
                    "keeper-launch-s.log", "keeper-s.log", "s.session.json",
                ])
        }
    }

    @Test("kill of a session whose keeper is dead ends the child that it has left") func killStale() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "sleep", "1000")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            let child = try #require(home.number("childPID", in: spawned.output))
            try Processes.send(.kill, to: keeper)
            try home.eventually("the keeper is gone") { Processes.liveness(of: keeper) == .gone }
            #expect(try home.run("list").output.contains("\(child)"))
            let again = try home.run("spawn", "s", "--", "cat")
            #expect(again.code == 1 && again.errors.contains("its former child \(child) still runs"), "\(again)")
            let run = try home.run("kill", "s")
            #expect(run.code == 0 && run.output.contains("session s: ended") && run.errors.isEmpty, "\(run)")
            #expect(Processes.liveness(of: child) == .gone)
            #expect(try home.run("kill", "s").code == 1)
            #expect(
                try Files.names(inDirectory: home.sessions) == [
                    "keeper-launch-s.log", "keeper-s.log", "s.session.json",
                ])
        }
    }

    @Test(
        "kill names who cannot be killed, as JSON too, and names the child again when its keeper is dead",
        .enabled(if: Posix.isRoot, "only root can make a program that another user cannot kill"))
    func namesSurvivors() throws {
        try CommandHome.with { home in
            let rooted = home.home + "/rooted"
            let prepare = "install -m 4755 '\(BuiltProducts.executable("keeper-host"))' '\(rooted)'; "
            let drop =
                "chown 65534 '\(home.home)'; chmod 755 '\(home.home)'; "
                + "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\""
            let spawn = ["spawn", "s", "--json", "--", rooted, "rooted"]
            let spawned = try CommandRun(spawn, home: home.home, shell: prepare + drop)
            let child = try #require(home.number("childPID", in: spawned.output), "\(spawned)")
            try home.eventually("it is root's") {
                let status = try Files.read("/proc/\(child)/status", limit: 1 << 16)
                return String(decoding: status, as: UTF8.self).contains("Uid:\t0")
            }
            let run = try CommandRun(["kill", "s", "--now", "--json"], home: home.home, shell: drop)
            #expect(run.code == 1 && run.output.contains(#""survivors":[\#(child)]"#), "\(run)")
            #expect(run.output.contains("\(child) (rooted)"), "\(run)")
            let again = try CommandRun(["kill", "s"], home: home.home, shell: drop)
            #expect(again.code == 1 && again.errors.contains("\(child) (rooted), is somebody else's"), "\(again)")
            // Root takes no user's word for what is root's.
            #expect(try home.run("kill", "s").code == 0)
            #expect(Processes.liveness(of: child) == .alive)
            try Processes.send(.kill, to: child)
            try home.eventually("it is gone") { Processes.liveness(of: child) == .gone }
        }
    }

    @Test("kill that runs out of descriptors says so, or ends the session, and accuses nobody of serving it")
    func killStarved() throws {
        try CommandHome.with { home in
            for limit in 8...16 {
                _ = try home.run("spawn", "s", "--", "cat")
                let run = try CommandRun(["kill", "s"], home: home.home, shell: "ulimit -n \(limit); exec \"$@\"")
                #expect(run.code == 0 || !run.errors.isEmpty, "\(limit): \(run)")
                #expect(!run.errors.contains("something else"), "\(limit): \(run)")
            }
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
            #expect(Processes.liveness(of: keeper) == .gone)
            #expect(
                try Files.names(inDirectory: home.sessions) == [
                    "keeper-launch-s.log", "keeper-s.log", "s.session.json",
                ])
        }
    }

    @Test("kill of a frozen keeper ends a child that has left its process group") func killFrozenOrphan() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "setsid", "sleep", "1000")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            let child = try #require(home.number("childPID", in: spawned.output))
            try Processes.send(.stop, to: keeper)
            let run = try home.run("kill", "s", "--grace", "0.1")
            #expect(run.code == 0 && run.output.contains("killed"), "\(run)")
            #expect(Processes.liveness(of: child) == .gone)
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

    @Test("doctor finds nothing wrong here, and says what is wrong elsewhere") func doctor() throws {
        try CommandHome.with { home in
            let run = try home.run("doctor")
            #expect(run.code == 0 && run.output.contains(LibUV.version), "\(run)")
            #expect(try home.run("doctor", "--json").lines.count == 12)
            let deep = home.home + "/" + String(repeating: "d", count: 100)
            let long = try home.run("doctor", "--sessions-dir", deep)
            #expect(long.code == 1 && long.output.contains("path length  failed"), "\(long)")
            #expect(try Files.names(inDirectory: home.home) == [".pi"], "nothing is made that no session can use")
            let missing = try CommandRun(["doctor"], home: home.home, sidecar: "/no/sidecar")
            #expect(missing.code == 1 && missing.output.contains("sidecar      failed"), "\(missing)")
            #expect(try Files.names(inDirectory: home.sessions).isEmpty)
        }
    }

    @Test("doctor starts the sidecar, and says what is there instead of one") func doctorSidecar() throws {
        try CommandHome.with { home in
            let names = ["silent", "other", "failing", "plain", "old"]
            for (name, script) in zip(
                names, ["", "echo I am other", "echo cannot load >&2; exit 127", "", "echo uvkeeper-sidecar 0.0.1"])
            {
                let path = "\(home.home)/\(name)"
                try Posix.write("#!/bin/sh\n\(script)\n", to: path)
                try Posix.setPermissions(name == "plain" ? 0o600 : 0o700, of: path)
            }
            for (name, words) in [
                ("silent", "says nothing"), ("other", "says \"I am other\""), ("failing", "says \"cannot load\""),
                ("plain", "its mode is 600"), ("", "is a directory"),
            ] {
                let run = try CommandRun(["doctor"], home: home.home, sidecar: "\(home.home)/\(name)")
                #expect(run.code == 1 && run.output.contains(words), "\(name): \(run)")
                if name.isEmpty || name == "plain" {
                    let spawn = try CommandRun(
                        ["spawn", "s", "--", "cat"], home: home.home, sidecar: home.home + "/" + name)
                    #expect(spawn.code == 1 && spawn.errors.contains(words), "\(name): \(spawn)")
                }
            }
            let old = try CommandRun(["doctor"], home: home.home, sidecar: home.home + "/old")
            #expect(old.code == 0 && old.output.contains("is version 0.0.1"), "\(old)")
        }
    }

    @Test("doctor finds a disk without room, one without inodes, and one that cannot be written to") func doctorDisk()
        throws
    {
        for (options, isReadOnly, words) in [
            ("size=4k,mode=700", false, "disk is full"), ("nr_inodes=2,mode=700", false, "disk is full"),
            ("mode=700", true, "EROFS"),
        ] {
            try CommandHome.with { home in
                let disk = home.home + "/disk"
                try Files.makeDirectory(at: disk)
                guard Posix.mountMemory(at: disk, options: options, isReadOnly: isReadOnly) else { return }
                defer { Posix.unmount(disk) }
                if options.contains("size") { try Posix.write([UInt8](repeating: 0, count: 4096), to: disk + "/fill") }
                if options.contains("inodes") { try Posix.write("", to: disk + "/fill") }
                let run = try home.run("doctor", "--sessions-dir", disk)
                #expect(
                    run.code == 1 && run.output.contains(words) && run.output.contains("files        failed"), "\(run)")
                #expect(try Files.names(inDirectory: disk).filter { $0 != "fill" }.isEmpty)
            }
        }
    }

    @Test("doctor and spawn need as many inodes") func doctorInodes() throws {
        for inodes in 4...13 {
            try CommandHome.with { home in
                let disk = home.home + "/disk"
                try Files.makeDirectory(at: disk)
                guard Posix.mountMemory(at: disk, options: "nr_inodes=\(inodes),mode=700") else { return }
                defer { Posix.unmount(disk) }
                let doctor = try home.run("doctor", "--sessions-dir", disk)
                #expect(try Files.names(inDirectory: disk).isEmpty)
                let spawn = try home.run("spawn", "s", "--sessions-dir", disk, "--", "cat")
                #expect(doctor.code == spawn.code, "\(inodes): \(doctor) \(spawn)")
                if inodes == 13 { #expect(doctor.code == 0, "\(doctor)") }
                _ = try home.run("kill", "--all", "--sessions-dir", disk)
            }
        }
    }

    @Test(
        "doctor and spawn that root runs make a directory that its owner can use",
        .enabled(if: Posix.isRoot, "only root makes directories for others"))
    func directoryByRoot() throws {
        for command in ["doctor", "spawn s -- cat"] {
            try expectScript(
                """
                export PI_DASHBOARD_HOME="$1" d="$1/.pi/dashboard/sessions"
                chown 65534:65533 "$1" && chmod 711 "$1" && "$2" \(command) > "$1/said" || exit 2
                [ "$(stat -c %u:%g:%a "$1/.pi" "$1/.pi/dashboard" "$d" | sort -u)" = 65534:65533:700 ] || exit 3
                "$2" kill --all > /dev/null || exit 4
                for act in 'spawn s -- cat' 'send s x' 'kill s'; do
                    setpriv --reuid=65534 --regid=65533 --clear-groups "$2" $act > /dev/null || exit 5
                done
                """)
        }
    }

    @Test("doctor makes nothing in a place that others can change") func doctorExposed() throws {
        try CommandHome.with { home in
            try Posix.setPermissions(0o777, of: home.home)
            let run = try home.run("doctor")
            #expect(run.code == 1 && run.output.contains("whose mode is 777"), "\(run)")
            #expect(try Files.names(inDirectory: home.home).isEmpty)
        }
    }

    @Test("kill --all from inside a session ends the others first, tells it, and its own last") func killInside() throws
    {
        try expectScript(
            """
            export PI_DASHBOARD_HOME="$1"
            for id in a b d e; do "$2" spawn $id -- cat > /dev/null || exit 2; done
            "$2" spawn c --env "UVK=$2" --env "OUT=$1/said" -- \
                sh -c 'read x; sh -c "\\"$UVK\\" kill --all --grace 30; true" > "$OUT" 2>&1; exit' > /dev/null || exit 2
            "$2" send --timeout 60 c go || exit 3
            until [ -z "$("$2" list --json)" ]; do sleep 0.05; done
            for id in a b d e; do grep -q "^session $id: ended" "$1/said" || exit 4; done
            tail -n 1 "$1/said" | grep -q '^session c: it is the one this command runs in'
            """)
    }

    @Test("kill takes its times, or none, and not both") func killTimes() throws {
        try CommandHome.with { home in
            for arguments in [["--now", "--grace", "1"], ["--grace", "-1"], ["--grace", "x"]] {
                #expect(try home.run(["kill", "s"] + arguments).code == 64, "\(arguments)")
            }
            for arguments in [["--now"], ["--grace", "0"], ["--grace", "1.5"], []] {
                #expect(try home.run("spawn", "s", "--", "cat").code == 0)
                let run = try home.run(["kill", "s"] + arguments)
                #expect(run.code == 0 && run.output.hasPrefix("session s: "), "\(arguments): \(run)")
            }
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

    @Test("every subcommand explains itself") func help() throws {
        try CommandHome.with { home in
            for command in [[], ["spawn"], ["send"], ["list"], ["kill"], ["logs"], ["doctor"]] {
                let run = try CommandRun(command + ["--help"], home: home.home)
                #expect(run.code == 0 && run.output.contains("USAGE:"), "\(command): \(run)")
            }
            #expect(try home.run("--version").output == "0.2.0\n")
            #expect(try home.run("--generate-completion-script", "bash").code == 0)
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
