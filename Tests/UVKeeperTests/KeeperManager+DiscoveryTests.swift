import TestSupport
import Testing

@testable import UVKeeper

@Suite struct KeeperManagerDiscoveryTests {
    @Test("a missing or empty directory has no keepers, a closed manager finds none")
    func nothing() throws {
        try withWorld { world throws in
            #expect(try world.discover() == KeeperDiscovery())
            try Files.makeDirectory(at: world.paths.directory)
            #expect(try world.discover() == KeeperDiscovery())
            world.manager.close()
            let result = try world.result { world.manager.discoverExistingKeepers(completion: $0) }
            #expect(result == .failure(.closed))
        }
    }

    @Test("a directory that is none is an error")
    func noDirectory() throws {
        try withWorld { world throws in
            try world.write("", to: world.paths.directory)
            let result = try world.result { world.manager.discoverExistingKeepers(completion: $0) }
            #expect(result == .failure(.file(world.paths.directory, .notDirectory)))
        }
    }

    @Test("live keepers are adopted, dead ones cleaned up after, logs kept, and a second discovery changes nothing")
    func liveAndDead() throws {
        try withWorld { world throws in
            let live = try world.spawn("live")
            let dead = try world.spawn("dead")
            let child = try world.childPID("dead")
            // Their temporary names go a moment after the others have come.
            try world.eventually { try world.sessionFiles().count == 10 }
            try Processes.send(.kill, to: dead.pid)
            // The file of a child that still runs would stay.
            try world.eventually { !dead.isRunning && Processes.liveness(of: child) == .gone }
            try world.write("not ours", to: world.paths.directory + "/bad id.rpc.sock.pid")
            try world.write("not ours", to: world.paths.directory + "/-x.rpc.sock.pid")
            let other = try world.otherManager()
            let found = try world.discover(other)
            let entry = KeeperEntry(session: live.session, keeperPID: live.pid, paths: world.paths)
            #expect(entry.socketPath == live.socketPath)
            let foreign = ["-x", "bad id"]
            #expect(
                found
                    == KeeperDiscovery(
                        keepers: [entry], removed: [dead.session], ended: [dead.session], foreign: foreign))
            #expect(try entry.childPID == world.childPID("live"))
            let files = [
                "-x.rpc.sock.pid", "bad id.rpc.sock.pid", "keeper-dead.log", "keeper-launch-dead.log",
                "keeper-launch-live.log", "keeper-live.log", "live.rpc.sock", "live.rpc.sock.pi-pid",
                "live.rpc.sock.pid",
            ]
            #expect(try world.sessionFiles() == files)
            #expect(
                try world.discover(other)
                    == KeeperDiscovery(keepers: [entry], ended: [dead.session], foreign: foreign))
            #expect(try world.sessionFiles() == files)
            #expect(other.killKeeper(for: "live"))
        }
    }

    static let contents = [
        "", " ", "junk", "0", "1", "-1", "1099511627776", "12x", String(repeating: "9", count: 5_000),
    ]

    @Test("a pid file that names no keeper is cleaned up when nobody listens", arguments: contents)
    func staleContents(_ content: String) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session: SessionID = "s1"
            try world.write(content, to: world.paths.keeperPID(for: session))
            try world.write("", to: world.paths.socket(for: session))
            #expect(try world.discover() == KeeperDiscovery(removed: [session]))
            #expect(try world.sessionFiles().isEmpty)
            #expect(!world.manager.killKeeper(for: "s1"))
        }
    }

    @Test(
        "a keeper whose child is dead is told to end, by its pid file or as the caller says", arguments: [true, false])
    func deadChild(_ isInjected: Bool) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let child = try world.childPID("s1")
            // Its temporary names go a moment after the others have come.
            try world.eventually { try world.sessionFiles().count == 5 }
            // Frozen, so that it does not notice by itself.
            try Processes.send(.stop, to: keeper.pid)
            var asked: [String] = []
            let other = try world.otherManager { options in
                guard isInjected else { return }
                options.isChildAlive = { session, pid in
                    asked.append("\(session) \(pid ?? 0)")
                    return false
                }
            }
            try Processes.send(.kill, to: child)
            try world.eventually { Processes.liveness(of: child) == .gone }
            #expect(try world.discover(other) == KeeperDiscovery(terminated: [keeper.session]))
            #expect(asked == (isInjected ? ["s1 \(keeper.pid)"] : []))
            #expect(try world.sessionFiles() == ["keeper-launch-s1.log", "keeper-s1.log"])
            #expect(!other.killKeeper(for: "s1"))
            // The place is free for another, which the old one does not disturb when it thaws and ends.
            let next = try world.trySpawn("s1", by: other).get()
            try Processes.send(.continue, to: keeper.pid)
            try world.eventually { !keeper.isRunning }
            #expect(other.mayBeAlive("s1"))
            #expect(try world.outcome("x", "s1") == .written)
            #expect(next.isRunning)
        }
    }

    @Test("frozen keepers are live, and asking them waits for nothing")
    func frozen() throws {
        try withWorld { world throws in
            let keepers = try (1...3).map { try world.spawn("s\($0)") }
            for keeper in keepers { try Processes.send(.stop, to: keeper.pid) }
            let session: SessionID = "full"
            let listener = try Listener(.hold, at: world.paths.socket(for: session), backlog: 0, in: world)
            listener.pause()
            while case .accepting(.some) = SocketProbe(listener.path) {}
            try world.write("", to: world.paths.keeperPID(for: session))
            let found = try world.discover(world.otherManager())
            #expect(found.keepers.map(\.session.rawValue) == ["full", "s1", "s2", "s3"])
            #expect(found.keepers.map(\.keeperPID) == [nil] + keepers.map { Optional($0.pid) })
            #expect(found.removed.isEmpty && found.terminated.isEmpty)
        }
    }

    @Test("of a thousand entries the live ones are found and the others removed, by two managers at once")
    func thousand() throws {
        try withWorld { world throws in
            for number in 0..<10 { _ = try world.spawn("live\(number)") }
            for number in 0..<990 {
                let session = try SessionID("stale\(number)")
                try world.write(
                    KeeperManagerDiscoveryTests.contents[number % 8], to: world.paths.keeperPID(for: session))
                if number % 2 == 0 { try world.write("", to: world.paths.socket(for: session)) }
                if number % 3 == 0 { try world.write("999999999", to: world.paths.childPID(for: session)) }
            }
            var found: [KeeperDiscovery] = []
            for manager in [world.manager, try world.otherManager()] {
                manager.discoverExistingKeepers { if case .success(let discovery) = $0 { found.append(discovery) } }
            }
            try world.eventually { found.count == 2 }
            #expect(found.allSatisfy { $0.keepers.count == 10 })
            #expect(Set(found.flatMap(\.removed)).count == 990)
            #expect(try world.discover().removed.isEmpty)
            #expect(try world.sessionFiles().allSatisfy { $0.contains("live") })
        }
    }

    @Test("a discovery beside starting keepers removes nothing of theirs and ends none", arguments: 1...2)
    func racing(_ round: Int) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let count = 25
            for number in 0..<count {
                let session = try SessionID("s\(number)")
                try world.write("999999999", to: world.paths.keeperPID(for: session))
                try world.write("999999999", to: world.paths.childPID(for: session))
                try world.write("", to: world.paths.socket(for: session))
            }
            let other = try world.otherManager()
            var terminated: [SessionID] = []
            var isDone = false
            func discover() {
                other.discoverExistingKeepers { result in
                    if case .success(let discovery) = result { terminated += discovery.terminated }
                    if !isDone { discover() }
                }
            }
            discover()
            var results: [Result<SpawnedKeeper, KeeperError>] = []
            for number in 0..<count {
                world.manager.spawnKeeper(
                    for: "s\(number)", in: world.root,
                    .init(command: ["cat"], deadline: hangTimeout)
                ) { result in
                    if case .success(let keeper) = result { world.own(keeper.pid, keeper.process.startTime) }
                    results.append(result)
                }
            }
            try world.eventually { results.count == count }
            isDone = true
            #expect(try world.discover().keepers.count == count)
            #expect(terminated.isEmpty)
            for (number, result) in results.enumerated() {
                #expect(throws: Never.self) { _ = try result.get() }
                #expect(try world.outcome("x", "s\(number)") == .written)
                #expect(try world.manager.killKeeper(for: "s\(number)"))
            }
        }
    }

    @Test("a keeper that is started while a discovery removes its predecessor's files stays tracked")
    func startedMeanwhile() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session: SessionID = "s1"
            try world.write("999999999", to: world.paths.keeperPID(for: session))
            var discovered = false
            var isStarted = false
            world.manager.discoverExistingKeepers { _ in discovered = true }
            world.manager.spawnKeeper(
                for: "s1", in: world.root, .init(command: ["cat"], deadline: hangTimeout)
            ) { result in
                if case .success(let keeper) = result { world.own(keeper.pid, keeper.process.startTime) }
                isStarted = true
            }
            try world.eventually { discovered && isStarted }
            #expect(world.manager.killKeeper(for: "s1"))
        }
    }

    @Test("a keeper that ends its session in steps is not hurried because its child has ended first")
    func endsInSteps() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1", command: ["sh", "-c", "sleep 1000 & echo $! >rest; exec cat"])
            let child = try world.childPID("s1")
            try world.eventually { world.text("rest").hasSuffix("\n") }
            let rest = try #require(Int32(world.text("rest").dropLast()))
            let session = world.manager.session("s1")
            var hasEnded = false
            session.stop(StopLadder(endOfInput: .seconds(600), terminate: .seconds(600))) { _, _ in hasEnded = true }
            try world.eventually { Processes.liveness(of: child) == .gone }
            let found = try world.discover(try world.otherManager())
            #expect(found.terminated.isEmpty && found.keepers.map(\.keeperPID) == [keeper.pid])
            #expect(Processes.liveness(of: rest) != .gone && keeper.isRunning && !hasEnded)
            try Processes.send(.terminate, to: rest)
            try world.eventually { hasEnded && !keeper.isRunning }
        }
    }
}
