import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

@Suite struct KeeperManagerTests {
    @Test("killing ends the keeper, its child and its files")
    func kill() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let child = try world.childPID("s1")
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { !keeper.isRunning }
            #expect(keeper.exitStatus == .exited(code: 0))
            #expect(Processes.liveness(of: child) == .gone)
            #expect(try world.sessionFiles() == ["keeper-launch-s1.log", "keeper-s1.log"])
            #expect(!world.manager.killKeeper(for: "s1"))
            #expect(!world.manager.mayBeAlive("s1"))
        }
    }

    @Test("a keeper that was started just now is stopped, whether it has claimed its session or not")
    func stopsStarting() throws {
        try withWorld { world throws in
            for _ in 0..<5 {
                let keeper = try world.trySpawn("s1", readiness: .started).get()
                let stopped: KeeperManager.StopResult = try world.result { done in
                    world.manager.stop("s1", completion: done)
                }
                #expect(stopped == .stopped)
                try world.eventually { !keeper.isRunning }
                #expect(try world.sessionFiles().filter { !$0.hasSuffix(".log") } == [])
            }
        }
    }

    @Test("a time that no file should have does not end whoever lists it", arguments: [Int.min, Int.max])
    func impossibleTime(seconds: Int) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            guard Posix.mountMemory(at: world.paths.directory, options: "size=64k,mode=700") else {
                return withKnownIssue("skipped: mounting a file system is not permitted here") { Issue.record() }
            }
            defer { Posix.unmount(world.paths.directory) }
            let path = world.paths.keeperPID(for: "s1")
            try world.write("4194999", to: path)
            try Posix.setModificationTime(seconds, of: path)
            let status = try #require(world.manager.status(of: "s1"))
            // Traps for a duration of more seconds than an Int64 has.
            #expect(status.state == .stale && status.age?.components != nil)
        }
    }

    @Test("what is not tracked is not killed")
    func notTracked() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let other = try world.otherManager()
            #expect(!other.killKeeper(for: "s1"))
            #expect(!other.killKeeper(for: "nobody"))
            #expect(keeper.isRunning)
            _ = try world.discover(other)
            #expect(other.killKeeper(for: "s1"))
            try world.eventually { !keeper.isRunning }
            #expect(!other.killKeeper(for: "s1"))
        }
    }

    @Test("without a free descriptor nobody is signalled on a guess, and no keeper is taken for gone or forgotten")
    func outOfDescriptors() throws {
        try withWorld { world throws in
            let lines = try world.host("blind", world.paths.directory, "s1", BuiltProducts.sidecar)
            #expect(
                lines == [
                    "kill false", "stop failed(cannot use \(world.paths.directory): EMFILE: too many open files)",
                    "process survived, running true", "kill true",
                    "ended(exited with code 0)",
                ])
        }
    }

    @Test("a process that has the former pid of a keeper is not signalled")
    func recycledPID() throws {
        try withWorld { world throws in
            let stranger = try world.start(["sleep", "100"], detached: true)
            let session: SessionID = "s1"
            world.manager.tracked[session] = .init(pid: stranger.pid, process: nil)
            #expect(!world.manager.killKeeper(for: "s1"))
            #expect(world.manager.tracked.isEmpty)
            try world.run(for: .milliseconds(20))
            #expect(stranger.isRunning)
        }
    }

    @Test("asking whether a keeper lives changes nothing")
    func isAlive() throws {
        try withWorld { world throws in
            #expect(!world.manager.mayBeAlive("s1"))
            #expect(!world.exists(world.paths.directory))
            _ = try world.spawn("live")
            _ = try world.childPID("live")
            // It has written everything then, and nothing has a temporary name any more.
            try world.eventually {
                try world.text("s/keeper-live.log").contains("keeper ready")
                    && !world.sessionFiles().contains { $0.hasSuffix(".s") || $0.hasSuffix(".tmp") }
            }
            let dead: SessionID = "dead"
            try world.write("999999999", to: world.paths.keeperPID(for: dead))
            try world.write("", to: world.paths.socket(for: dead))
            try world.write("", to: world.paths.keeperPID(for: "empty"))
            let files = try snapshot(world)
            #expect(world.manager.mayBeAlive("live"))
            #expect(!world.manager.mayBeAlive("dead"))
            #expect(!world.manager.mayBeAlive("empty"))
            #expect(try snapshot(world) == files)
        }
    }

    @Test("a keeper whose child has ended is not alive")
    func isAliveWithoutChild() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let child = try world.childPID("s1")
            // Frozen, so that it does not notice.
            try Processes.send(.stop, to: keeper.pid)
            #expect(world.manager.mayBeAlive("s1"))
            try Processes.send(.kill, to: child)
            try world.eventually { !world.manager.mayBeAlive("s1") }
            try Processes.send(.continue, to: keeper.pid)
        }
    }

    private func snapshot(_ world: World) throws -> [String: FileStatus] {
        var files: [String: FileStatus] = [:]
        for name in try world.sessionFiles() {
            files[name] = try Files.status(of: "\(world.paths.directory)/\(name)", followingLinks: false)
        }
        return files
    }

    @Test("the sessions directory follows PI_DASHBOARD_HOME and the home directory, for either platform")
    func defaults() throws {
        try withLoop { loop throws in
            let manager = try KeeperManager(on: loop)
            let home = try CurrentProcess.homeDirectory()
            let expected = SessionsDirectory.path(environment: ProcessEnvironment.current.variables, home: home)
            #expect(manager.sessionsDirectory == expected)
            manager.close()
            var options = KeeperManager.Options()
            options.platform = .windows
            options.sessionsDirectory = #"C:\sessions\"#
            let windows = try KeeperManager(on: loop, options: options)
            let session: SessionID = "s1"
            #expect(windows.sessionsDirectory == #"C:\sessions"#)
            #expect(windows.paths.socket(for: session) == #"\\.\pipe\pi-rpc-s1"#)
            #expect(windows.paths.keeperPID(for: session) == #"C:\sessions\pi-rpc-s1.pid"#)
            windows.close()
            options.sessionsDirectory = ""
            #expect(throws: KeeperError.noSessionsDirectory) { try KeeperManager(on: loop, options: options) }
        }
    }

    @Test("this process is never signalled, even if it serves the socket itself")
    func ownPID() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session: SessionID = "s1"
            let listener = try Listener(.confirm, at: world.paths.socket(for: session), in: world)
            try world.write("\(CurrentProcess.id)", to: world.paths.keeperPID(for: session))
            let found = try world.discover(world.otherManager { $0.isChildAlive = { _, _ in false } })
            #expect(found.terminated.isEmpty)
            #expect(try world.discover().keepers.map(\.session) == [session])
            #expect(!world.manager.killKeeper(for: "s1"))
            #expect(SocketProbe(listener.path) == .accepting(pid: CurrentProcess.id))
        }
    }

    @Test("a keeper that was found and has ended since is forgotten by the next discovery")
    func foundAndEnded() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let other = try world.otherManager()
            #expect(try world.discover(other).keepers.count == 1)
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { !keeper.isRunning }
            #expect(!other.killKeeper(for: "s1"))
            #expect(try world.discover(other).keepers.isEmpty)
            #expect(other.tracked.isEmpty)
        }
    }

    @Test("unused sessions are forgotten, and looked for once there are twice as many as the last look has left")
    func forgetsSessions() throws {
        try withWorld { world throws in
            func session(_ number: Int) throws -> Session { world.manager.session(try world.session("s\(number)")) }
            let held = try (0..<1024).map(session)
            // The first of these finds nothing to forget.
            for number in 1024..<2048 { _ = try session(number) }
            #expect(world.manager.sessions.count == 2048)
            _ = try session(2048)
            #expect(world.manager.sessions.count == 1025)
            #expect(held.allSatisfy { world.manager.session($0.id) === $0 })
        }
    }

    @Test("so are the queues of sockets")
    func forgetsQueues() throws {
        try withWorld { world throws in
            var outcomes = 0
            for number in 0..<1025 {
                world.manager.writeRPC("x", toSocketAt: world.path("missing\(number)")) { _ in outcomes += 1 }
            }
            try world.eventually { outcomes == 1025 }
            for number in 1025..<2048 {
                world.manager.writeRPC("x", toSocketAt: world.path("missing\(number)")) { _ in outcomes += 1 }
            }
            #expect(world.manager.queues.count == 2048)
            world.manager.writeRPC("x", toSocketAt: world.path("missing2048")) { _ in outcomes += 1 }
            #expect(world.manager.queues.count == 1024)
            try world.eventually { outcomes == 2049 }
        }
    }
}
