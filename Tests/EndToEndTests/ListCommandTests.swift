import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper list") struct ListCommandTests {
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

    @Test("a session that is starting is listed as that, with the labels that its keeper was started with")
    func starting()
        throws
    {
        try CommandHome.with { home in
            try Files.makeDirectory(at: home.sessions)
            let pidFile = home.sessions + "/s.rpc.sock.pid"
            try Posix.write("", to: pidFile)
            var environment = ProcessEnvironment.current
            environment["PI_KEEPER_LABELS"] = #"{"user":"ann"}"#
            let helper = ChildProcess.Configuration(
                executable: BuiltProducts.executable("uvloop-test-helper"),
                arguments: ["hold-lock", pidFile, "process"],
                environment: environment, stdio: [.pipe, .pipe, .descriptor(2)])
            try withLoop { loop in
                // It has what a keeper has before it starts its child: a pid file with its number, and the lock on it.
                let keeper = try ChildProcess(helper, on: loop) { _, _ in }
                keeper.killWhenCanceled()
                var said = ""
                try keeper.streams[1]!.readStart(
                    onBytes: { _, bytes in said += bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } },
                    onEnd: { stream, _ in stream.close() })
                try run(loop) { said == "locked\n" }
                let file = try OpenFile(pidFile, .readWrite)
                try file.write(Array("\(keeper.pid)".utf8))
                file.close()
                let list = try home.run("list")
                #expect(
                    list.lines.last?.split(separator: " ").prefix(3) == ["s", "starting", "\(keeper.pid)"], "\(list)")
                let json = try home.run("list", "--json", "--label", "user=ann")
                #expect(
                    json.output.contains(#""state":"starting""#) && json.output.contains(#""user":"ann""#), "\(json)")
                let others = try home.run("list", "--label", "user=bob")
                #expect(others.output.isEmpty && others.errors.contains("with that label"), "\(others)")
                let doctor = try home.run("doctor")
                #expect(doctor.output.contains("1 live"), "\(doctor)")
                keeper.streams[0]!.close()
            }
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
}
