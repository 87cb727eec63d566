import TestSupport
import Testing

@testable import UVKeeper

@Suite struct KeeperManagerStoppingTests {
    @Test("nothing of a session is left, also what has left its session or lost its parent")
    func wholeTree() throws {
        try withWorld { world throws in
            let script = """
                setsid sleep 1000 & echo $! >>pids
                bash -c 'sleep 1000 & echo $! >>pids'
                echo done >>pids; exec cat
                """
            let keeper = try world.spawn("s1", command: ["bash", "-c", script])
            let child = try world.childPID("s1")
            try world.eventually { world.text("pids").hasSuffix("done\n") }
            let others = world.text("pids").split(separator: "\n").compactMap { Int32($0) }
            #expect(others.count == 2)
            for pid in others { world.own(pid) }
            #expect(try world.stop("s1", .now) == .stopped)
            for pid in others + [child, keeper.pid] { #expect(Processes.liveness(of: pid) == .gone) }
            #expect(try world.sessionFiles() == ["keeper-launch-s1.log", "keeper-s1.log"])
            #expect(try world.stop("s1", .now) == .notFound)
        }
    }

    @Test("a keeper that does not end in its time is killed with everything below it, and its files go")
    func frozen() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1", command: ["sh", "-c", "sleep 1000 & echo $! >pid; wait"])
            let child = try world.childPID("s1")
            try world.eventually { world.text("pid").hasSuffix("\n") }
            let grandchild = try #require(Int32(world.text("pid").dropLast()))
            world.own(grandchild)
            try Processes.send(.stop, to: keeper.pid)
            #expect(try world.stop("s1", .now, by: try world.otherManager()) == .killed)
            for pid in [child, grandchild, keeper.pid] { #expect(Processes.liveness(of: pid) == .gone) }
            #expect(try world.sessionFiles() == ["keeper-launch-s1.log", "keeper-s1.log"])
        }
    }

    @Test("a session that was started inside another is not part of it")
    func nested() throws {
        try withWorld { world throws in
            let start =
                "PI_KEEPER_PI_CMD='[\"cat\"]' PI_KEEPER_PI_ARGS='[]' PI_KEEPER_SESSIONS_DIR='\(world.paths.directory)'"
            _ = try world.spawn(
                "outer", command: ["bash", "-c", "\(start) setsid \(BuiltProducts.sidecar) inner & exec cat"])
            try world.eventually { world.manager.status(of: "inner")?.childPID != nil }
            let inner = try #require(world.manager.status(of: "inner"))
            world.own(try #require(inner.keeperPID))
            #expect(try world.stop("outer", .now) == .stopped)
            #expect(world.manager.status(of: "inner")?.keeperPID == inner.keeperPID)
            #expect(world.manager.status(of: "inner")?.state == .live)
            #expect(try world.stop("inner", .now) == .stopped)
        }
    }

    @Test(
        "a keeper that is process 1 of a container is stopped from inside",
        .enabled(if: World.isRoot, "only root can make a container"))
    func processOne() throws {
        try withWorld { world throws in
            let directory = world.paths.directory
            let probe = try world.start(["unshare", "--pid", "--fork", "--mount-proc", "true"])
            try world.eventually { !probe.isRunning }
            guard probe.exitStatus == .exited(code: 0) else {
                return withKnownIssue("skipped: no containers here") { Issue.record() }
            }
            let script = """
                export PI_KEEPER_SESSIONS_DIR='\(directory)' PI_KEEPER_PI_CMD='["cat"]' PI_KEEPER_PI_ARGS='[]'
                (until test -S '\(directory)/s1.rpc.sock'; do sleep 0.01; done
                exec '\(BuiltProducts.executable("keeper-host"))' stop '\(directory)' s1 >refused) &
                exec '\(BuiltProducts.sidecar)' s1
                """
            let container = try world.start(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script])
            try world.eventually { !container.isRunning }
            #expect(container.exitStatus == .exited(code: 0), "\(world.text("refused"))")
            #expect(try world.sessionFiles() == ["keeper-s1.log"])
        }
    }

    @Test("closing the manager, or all handles of its loop, ends a stop that is under way", arguments: [true, false])
    func closed(isManager: Bool) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            try Processes.send(.stop, to: keeper.pid)
            let manager = try world.unownedManager()
            let result: KeeperManager.StopResult = try world.result { done in
                manager.stop("s1", completion: done)
                if isManager { manager.close() } else { world.loop.closeHandles() }
            }
            #expect(result == .closed)
            manager.close()
            #expect(try world.result { manager.stop("s1", completion: $0) } == .closed)
            try Processes.send(.continue, to: keeper.pid)
        }
    }

    @Test("an id that is none and a directory that others can change are told, and nothing is signalled")
    func refused() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            #expect(try world.stop("a/b", .now) == .failed(.invalidSession("a/b", .badCharacter(at: 1))))
            let error = KeeperError.directoryNotPrivate(
                world.paths.directory, "everybody may write to \(world.root), on the way to it, whose mode is 777")
            try Posix.setPermissions(0o777, of: world.root)
            #expect(try world.stop("s1", .now) == .failed(error))
            #expect(!world.manager.killKeeper(for: "s1"))
            #expect(try world.outcome("x", "s1") == .refused(error))
            #expect(try world.spawnError("s2") == error)
            #expect(try world.result { world.manager.listKeepers(completion: $0) } == .failure(error))
            #expect(try world.result { world.manager.discoverExistingKeepers(completion: $0) } == .failure(error))
            #expect(try world.result { world.manager.sweepLogs(completion: $0) } == .failure(error))
            #expect(keeper.isRunning)
            try Posix.setPermissions(0o700, of: world.root)
            #expect(try world.stop("s1", .now) == .stopped)
        }
    }

    @Test("a file in the place of the sessions directory is told as such") func fileForDirectory() throws {
        try withWorld { world throws in
            try world.write("", to: world.paths.directory)
            #expect(try world.stop("s1", .now) == .failed(.file(world.paths.directory, .notDirectory)))
        }
    }

    @Test(
        "an original keeper is stopped, with what its child had started",
        .enabled(if: World.hasNode, "node is not installed"))
    func original() throws {
        try withWorld(options: { $0.sessionsDirectory? += "/.pi/dashboard/sessions" }) { world throws in
            try world.write(SidecarCommandTests.keeper, to: world.path("keeper.cjs"))
            let manager = try world.otherManager { $0.sidecar = ["node", world.path("keeper.cjs")] }
            let script = "setsid sleep 1000 & echo $! >pid; exec cat"
            let keeper = try world.trySpawn("s1", by: manager, command: ["bash", "-c", script]).get()
            try world.eventually { world.text("pid").hasSuffix("\n") }
            let grandchild = try #require(Int32(world.text("pid").dropLast()))
            world.own(grandchild)
            try world.eventually { world.exists(world.paths.keeperPID(for: keeper.session)) }
            #expect(try world.stop("s1", .now) == .stopped)
            for pid in [grandchild, keeper.pid] { #expect(Processes.liveness(of: pid) == .gone) }
        }
    }

    @Test(
        "a process that cannot be killed is named, and nothing else is left, whether the keeper lived or was dead",
        .enabled(if: World.isRoot, "only root can make a program that another user cannot kill"),
        arguments: [[], ["dead"]])
    func survivor(keeper: [String]) throws {
        try withWorld { world throws in
            try Posix.setPermissions(0o755, of: world.root)
            let rooted = world.path("rooted")
            let copy = try world.start(["install", "-m", "4755", BuiltProducts.executable("keeper-host"), rooted])
            try world.eventually { !copy.isRunning }
            let arguments = ["survivor", world.root + "/u", BuiltProducts.sidecar, rooted] + keeper
            let lines = try HostProcess(arguments, in: world).end()
            guard let pid = Int32(lines.first ?? "") else { throw Skipped(lines: lines) }
            world.own(pid)
            #expect(lines.dropFirst() == ["survived([\(pid) (rooted)])"])
            // It would stay for a child that runs.
            #expect(!world.exists(world.root + "/u/s/s1.rpc.sock.pi-pid"))
        }
    }

    struct Skipped: Error { let lines: [String] }
}

extension World {
    func stop(
        _ id: String, _ ladder: StopLadder, by manager: KeeperManager? = nil
    ) throws -> KeeperManager.StopResult {
        try result { (manager ?? self.manager).stop(id, ladder: ladder, completion: $0) }
    }
}
