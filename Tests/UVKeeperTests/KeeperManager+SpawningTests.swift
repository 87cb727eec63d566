import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

@Suite struct KeeperManagerSpawningTests {
    static let hostileIDs = [
        "", ".", "..", "../x", "a/b", "-x", " x", "x\n", "x\0", "é", String(repeating: "x", count: 129),
    ]

    @Test("a hostile session id is refused before any file exists", arguments: hostileIDs)
    func hostileID(_ id: String) throws {
        try withWorld { world throws in
            guard case .invalidSession(id, _) = try world.spawnError(id) else {
                Issue.record("not refused")
                return
            }
            #expect(try Files.names(inDirectory: world.root).isEmpty)
        }
    }

    @Test("an id whose socket path is too long is refused, the longest that fits is not")
    func pathTooLong() throws {
        try withWorld { world throws in
            let room = world.paths.socketPathBytesLeft(for: "x")
            let longest = String(repeating: "x", count: room + 1)
            #expect(
                try world.spawnError(longest + "x")
                    == .socketPathTooLong(world.paths.socket(for: try SessionID(longest + "x")), by: 1))
            #expect(!world.exists(world.paths.directory))
            _ = try world.spawn(longest)
        }
    }

    @Test("a missing working directory and a missing sidecar are told apart")
    func missing() throws {
        try withWorld { world throws in
            #expect(
                try world.spawnError("s1", in: world.path("gone"))
                    == .cannotStart(.workingDirectory(world.path("gone"), .noEntry)))
            #expect(try world.spawnError("s1", in: world.root + "\0x") == .cannotStart(.invalidArgument))
            let other = try world.otherManager { $0.sidecar = ["/nowhere/uvkeeper-sidecar"] }
            guard case .failure(let error) = try world.trySpawn("s1", by: other) else {
                Issue.record("it started")
                return
            }
            #expect(error == .sidecarNotFound(["/nowhere/uvkeeper-sidecar"]))
        }
    }

    @Test("an empty command, an empty name and zero bytes are refused")
    func invalidCommand() throws {
        try withWorld { world throws in
            #expect(try world.spawnError("s1", command: []) == .invalidCommand)
            #expect(try world.spawnError("s1", command: [""]) == .invalidCommand)
            #expect(try world.spawnError("s1", command: ["cat", "\0"]) == .invalidCommand)
            #expect(!world.exists(world.paths.directory))
        }
    }

    @Test("a sessions directory that cannot be made is an error")
    func directoryUnusable() throws {
        try withWorld { world throws in
            try world.write("", to: world.paths.directory)
            #expect(try world.spawnError("s1") == .file(world.paths.directory, .notDirectory))
        }
    }

    @Test("a sessions directory that everybody may write to is refused")
    func directoryNotPrivate() throws {
        try withWorld { world throws in
            let path = world.paths.directory
            try Files.makeDirectory(at: path)
            try Posix.setPermissions(0o1777, of: path)
            #expect(
                try world.spawnError("s1")
                    == .directoryNotPrivate(path, "everybody may write to it, its mode is 1777"))
            #expect(try Files.names(inDirectory: path).isEmpty)
            try Posix.setPermissions(0o775, of: path)
            _ = try world.spawn("s1")
        }
    }

    @Test("a launch log that cannot be opened keeps nobody from starting")
    func launchLogUnusable() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.launchLog(for: "s1"))
            _ = try world.spawn("s1")
        }
    }

    @Test("after close nothing is started")
    func afterClose() throws {
        try withWorld { world throws in
            world.manager.close()
            #expect(try world.spawnError("s1") == .closed)
        }
    }

    @Test("a start is reported when the keeper has a pid, when its socket accepts, and when its child has settled")
    func readiness() throws {
        try withWorld { world throws in
            let started = try world.trySpawn("s1", readiness: .started).get()
            #expect(started.isRunning)
            let accepting = try world.trySpawn("s2", readiness: .accepting).get()
            #expect(SocketProbe(accepting.socketPath) == .accepting(pid: accepting.pid))
            let start = SystemClock.monotonicTime
            let settled = try world.trySpawn("s3", readiness: .settled).get()
            #expect(SystemClock.monotonicTime - start >= KeeperConstants.crashWindow)
            #expect(settled.isRunning)
            #expect(settled.socketPath == world.paths.socket(for: settled.session))
            try world.eventually { world.manager.mayBeAlive("s1") }
        }
    }

    @Test("a keeper that never accepts is reported at the deadline and runs on")
    func deadline() throws {
        try withWorld { world throws in
            let other = try world.otherManager { $0.sidecar = ["sh", "-c", "exec sleep 100"] }
            var result: Result<SpawnedKeeper, KeeperError>?
            other.spawnKeeper(
                for: "s1", in: world.root, .init(command: ["cat"], deadline: .milliseconds(30))
            ) { result = $0 }
            let pid = try #require(other.tracked["s1"]?.pid)
            world.own(pid)
            try world.eventually { result != nil }
            guard case .failure(.notReady(.milliseconds(30))) = result else {
                Issue.record("\(String(describing: result))")
                return
            }
            #expect(Processes.liveness(of: pid) != .gone)
            #expect(other.killKeeper(for: "s1"))
        }
    }

    @Test("a live session is not started again, and its keeper is untouched")
    func taken() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let other = try world.otherManager()
            for manager in [world.manager, other] {
                guard case .failure(let error) = try world.trySpawn("s1", by: manager) else {
                    Issue.record("it started")
                    return
                }
                #expect(error == .sessionTaken(keeper.session, pid: keeper.pid))
            }
            #expect(try world.outcome("x", "s1") == .written)
            #expect(world.manager.killKeeper(for: "s1"))
        }
    }

    @Test("a keeper leads a session of its own, has nothing on stdin, and its child has what it was given")
    func surroundings() throws {
        try withWorld { world throws in
            let script = "env > env; pwd > pwd; echo \"$0 $@\" > args; ls -l /proc/self/fd > fds; exec cat > s1.out"
            let keeper = try world.trySpawn(
                "s1", environment: ["GREETING": "hello world", "PI_KEEPER_LOG_MAX_BYTES": "5000"],
                command: ["sh", "-c", script, "zero"], arguments: ["one", "two words"]
            ).get()
            #expect(try world.outcome("x", "s1") == .written)
            try world.eventually { world.text("s1.out") == "x\n" }
            let environment = world.text("env").split(separator: "\n")
            #expect(environment.contains("GREETING=hello world"))
            #expect(environment.contains("PI_DASHBOARD_SPAWNED=1"))
            #expect(!environment.contains { $0.hasPrefix("PI_KEEPER_") })
            #expect(world.text("pwd") == world.root + "\n")
            #expect(world.text("args") == "zero one two words\n")
            #if os(Linux)
            let stat = String(decoding: try Files.read("/proc/\(keeper.pid)/stat", limit: 4096), as: UTF8.self)
            let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
            // Process group and session, which the keeper leads.
            #expect(fields[2] == "\(keeper.pid)")
            #expect(fields[3] == "\(keeper.pid)")
            #expect(try Files.realPath(of: "/proc/\(keeper.pid)/fd/0") == "/dev/null")
            #endif
        }
    }

    @Test("arguments alone go to the command of the environment")
    func argumentsOnly() throws {
        try withWorld { world throws in
            _ = try world.trySpawn(
                "s1", environment: [KeeperVariable.command: #"["sh","-c","echo \"$0 $1\" > args; exec cat"]"#],
                arguments: ["a", "b"]
            ).get()
            try world.eventually { world.text("args") == "a b\n" }
        }
    }

    @Test("with capture the child's output is in the keeper's log, without it is nowhere", arguments: [true, false])
    func capture(_ captures: Bool) throws {
        try withWorld { world throws in
            _ = try world.trySpawn(
                "s1", environment: [KeeperVariable.captureOutput: captures ? "0" : "1"],
                command: ["sh", "-c", "echo said; echo done > done; exec cat"], captures: captures
            ).get()
            try world.eventually { world.text("done") == "done\n" }
            func hasOutput() -> Bool { world.text("s/keeper-s1.log").split(separator: "\n").contains("said") }
            // The keeper reads what the child has written a little later.
            if captures { try world.eventually { hasOutput() } }
            #expect(hasOutput() == captures)
            let log = world.text("s/keeper-s1.log")
            #expect(log.contains("pi output capture: \(captures ? "enabled" : "disabled")"))
        }
    }

    @Test("an unreferenced keeper lets the loop end")
    func loopEnds() throws {
        try withTemporaryDirectory { root in
            let loop = try Loop()
            let world = try World(loop, root) { _ in }
            _ = try world.spawn("s1")
            #expect(!loop.run(), "nothing is left to do")
            try world.end()
            loop.run()
            try loop.close()
        }
    }

    @Test(
        "a sidecar that knows the rule only is told the directory by it; the child of one of ours keeps the variable",
        arguments: [true, false])
    func rule(isOurs: Bool) throws {
        try withWorld(options: { $0.sessionsDirectory? += "/.pi/dashboard/sessions" }) { world throws in
            try writeExecutable("#!/bin/sh\nexec '\(BuiltProducts.sidecar)' \"$@\"\n", to: world.path("foreign"))
            let manager = try world.otherManager { if !isOurs { $0.sidecar = [world.path("foreign")] } }
            _ = try world.trySpawn(
                "s1", by: manager, environment: ["PI_DASHBOARD_HOME": "/nowhere"],
                command: ["sh", "-c", "echo $PI_DASHBOARD_HOME > home; exec cat"]
            ).get()
            try world.eventually { world.text("home") == (isOurs ? "/nowhere" : world.path("s")) + "\n" }
        }
    }

    @Test("closing while a start is awaited ends the wait, not the keeper, on a later tick")
    func closedWhileWaiting() throws {
        try withWorld { world throws in
            let manager = try world.unownedManager()
            var result: Result<SpawnedKeeper, KeeperError>?
            manager.spawnKeeper(for: "s1", in: world.root, .init(command: ["cat"], readiness: .settled)) { result = $0 }
            manager.close()
            #expect(result == nil, "completed inside close()")
            try world.eventually { result != nil }
            guard case .failure(.closed) = result else {
                Issue.record("\(String(describing: result))")
                return
            }
            try world.eventually { world.manager.mayBeAlive("s1") }
            let found = try world.discover()
            world.own(try #require(found.keepers.first?.keeperPID))
        }
    }

    @Test("of two starts in one tick the second is refused and the first stays tracked")
    func twoAtOnce() throws {
        try withWorld { world throws in
            var results: [Result<SpawnedKeeper, KeeperError>] = []
            for _ in 0..<2 {
                world.manager.spawnKeeper(
                    for: "s1", in: world.root, .init(command: ["cat"], readiness: .settled, deadline: hangTimeout)
                ) { result in
                    if case .success(let keeper) = result { world.own(keeper.pid, keeper.process.startTime) }
                    results.append(result)
                }
            }
            try world.eventually { results.count == 2 }
            let keepers = results.compactMap { try? $0.get() }
            #expect(keepers.count == 1)
            #expect(world.manager.tracked["s1"]?.pid == keepers.first?.pid)
            #expect(world.manager.killKeeper(for: "s1"))
        }
    }

    @Test("a relative sessions directory means the same to a keeper in another working directory")
    func relativeDirectory() throws {
        try withTemporaryDirectory { root in
            let here = try Files.realPath(of: ".")
            let up = here.split(separator: "/").map { _ in ".." }.joined(separator: "/")
            try withWorld(options: { $0.sessionsDirectory = up + root }) { world throws in
                let keeper = try world.spawn("s1")
                #expect(keeper.socketPath.hasPrefix("/"))
                #expect(try Files.names(inDirectory: root).contains("s1.rpc.sock"))
            }
        }
    }
}
