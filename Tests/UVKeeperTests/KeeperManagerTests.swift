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

    @Test("a host that collects the status of every child can kill its keepers all the same")
    func reapingHost() throws {
        try withWorld { world throws in
            let lines = try world.host("reap", world.paths.directory + "x", "s1", BuiltProducts.sidecar)
            #expect(lines == ["killed true", "ended", "killed false"])
        }
    }

    @Test("a keeper survives the death of its host, by SIGKILL and by exit", arguments: [true, false])
    func hostDies(_ isKilled: Bool) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let host = try HostProcess(
                ["spawn", world.paths.directory, "s1", "accepting", BuiltProducts.sidecar, "0"], in: world)
            let pid = try host.keeperPID()
            if isKilled { try host.child.kill(.kill) }
            _ = try host.end()
            #expect(host.child.exitStatus == (isKilled ? .signaled(.kill) : .exited(code: 0)))
            let found = try world.discover()
            #expect(found.keepers.map(\.keeperPID) == [pid])
            #expect(try world.outcome("still here", "s1") == .written)
            try world.eventually { world.text("s/out") == "still here\n" }
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { Processes.liveness(of: pid) == .gone }
        }
    }

    @Test("a host can be its own sidecar, many open descriptors or not", arguments: [0, 500])
    func ownSidecar(_ descriptors: Int) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let host = try HostProcess(
                ["spawn", world.paths.directory, "s1", "accepting", "self", "\(descriptors)"], in: world)
            let pid = try host.keeperPID()
            #if os(Linux)
            let count = try Files.names(inDirectory: "/proc/\(pid)/fd").count
            // Three of them are kept back for its end.
            #expect(count < 23, "\(count) descriptors")
            let child = try world.childPID("s1")
            // The shell has another one for a moment.
            try world.eventually { try Files.names(inDirectory: "/proc/\(child)/fd") == ["0", "1", "2"] }
            #endif
            #expect(try world.outcome("x", "s1") == .written)
            _ = try host.end()
            _ = try world.discover()
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { Processes.liveness(of: pid) == .gone }
        }
    }

    @Test("a keeper costs its host one descriptor while it is watched")
    func descriptors() throws {
        try withWorld { world throws in
            let lines = try world.host("descriptors", world.paths.directory, "s1", BuiltProducts.sidecar)
            #expect(lines == ["more 1", "left 0"])
        }
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

    @Test("a keeper is killed although its process is watched no more")
    func unwatched() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            keeper.process.close()
            #expect(keeper.isRunning)
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { Processes.liveness(of: keeper.pid) == .gone }
        }
    }

    @Test("a manager that is released while a line is under way completes it")
    func released() throws {
        try withWorld { world throws in
            var outcome: WriteOutcome?
            do {
                let manager = try world.unownedManager()
                manager.writeRPC("x", to: "nobody") { outcome = $0 }
            }
            try world.eventually { outcome != nil }
            guard case .refused = outcome else {
                Issue.record("\(String(describing: outcome))")
                return
            }
            // It was not closed, and so its timer was not.
            world.loop.closeHandles()
        }
    }

    @Test("when all handles of the loop are closed, lines under way and later ones are refused")
    func handlesClosed() throws {
        try withWorld { world throws in
            var outcomes: [WriteOutcome] = []
            world.manager.writeRPC("1", to: "nobody") { outcomes.append($0) }
            world.loop.closeHandles()
            world.manager.writeRPC("2", to: "nobody") { outcomes.append($0) }
            try world.eventually { outcomes.count == 2 }
            world.manager.writeRPC("3", to: "nobody") { outcomes.append($0) }
            try world.eventually { outcomes.count == 3 }
            #expect(outcomes == [.refused(.closed), .refused(.closed), .refused(.closed)])
        }
    }

    @Test("a keeper that was told to end by a discovery is watched until the manager closes")
    func terminatedAndClosed() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            try world.killChildUnnoticed(by: keeper)
            #expect(try world.discover().terminated == [keeper.session])
            world.manager.close()
            world.loop.run()
            #expect(world.loop.openHandles.allSatisfy { "\(type(of: $0))" == "TimerHandle" }, "but for the watchdog")
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

    @Test(
        "a stop under way ends with the manager, or with the loop's handles, and leaves no handle",
        arguments: [true, false])
    func stopClosed(_ byManager: Bool) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            // It does not end on SIGTERM.
            try Processes.send(.stop, to: keeper.pid)
            var results: [KeeperManager.StopResult] = []
            world.manager.stop("s1", grace: .seconds(Int64.max)) { results.append($0) }
            try world.run(for: .milliseconds(30))
            if byManager { world.manager.close() } else { world.loop.closeHandles() }
            #expect(results.isEmpty)
            try world.eventually { !results.isEmpty }
            #expect(results == [.closed])
            if byManager {
                world.loop.run(.noWait)
                #expect(
                    world.loop.openHandles.allSatisfy { "\(type(of: $0))" == "TimerHandle" }, "but for the watchdog")
            }
            world.manager.close()
            world.manager.stop("s1") { results.append($0) }
            try world.eventually { results == [.closed, .closed] }
        }
    }

    @Test("a manager may be closed after its loop")
    func closedAfterLoop() throws {
        try withTemporaryDirectory { directory in
            let loop = try Loop()
            var options = KeeperManager.Options()
            options.sessionsDirectory = directory
            let manager = try KeeperManager(on: loop, options: options)
            var outcomes: [WriteOutcome] = []
            manager.writeRPC("x", to: "nobody") { outcomes.append($0) }
            loop.closeHandles()
            while loop.run() {}
            try loop.close()
            #expect(outcomes == [.refused(.closed)])
            manager.close()
            #expect(outcomes.count == 1)
        }
    }

    @Test("a completion may close every handle of the loop while other lines wait")
    func handlesClosedInCompletion() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            var outcomes: [WriteOutcome] = []
            for _ in 0..<4 {
                // Two fill a connection, so that others wait behind it.
                world.manager.writeRPC([UInt8](repeating: 65, count: 100_000), toSocketAt: listener.path) {
                    outcomes.append($0)
                    world.loop.closeHandles()
                }
            }
            try world.eventually { outcomes.count == 4 }
            #expect(outcomes[0] == .sent)
            #expect(outcomes[1...].allSatisfy { $0 == .refused(.closed) || $0 == .sent })
        }
    }
}
