#if os(Linux)
import KeeperProtocol
import Libc
import TestSupport
import Testing

@testable import UVKeeper

/// Keepers whose ends are told although no descriptor of them is held: one that was started here, and adopted by another
/// manager.
@Suite struct LockWatchTests {
    /// The fate of a keeper that is watched.
    enum Fate: CaseIterable {
        /// Its end, in order or not.
        case killed, stopped, endsItself
        /// The fate of its file before the keeper is killed.
        case removed, moved, replacedByFile, damaged, touched, opened
        /// The fate of its directory before the keeper is killed.
        case directoryRemoved, directoryMoved
    }

    @Test("the end of a keeper is told once, whatever becomes of it and of its file", arguments: Fate.allCases)
    func ends(_ fate: Fate) throws {
        try withWorld { world throws in
            let (keeper, exits) = try world.watched()
            let path = world.paths.keeperPID(for: "s1")
            // True as long as the system tells of its end.
            var isMute = false
            switch fate {
            case .killed, .stopped: break
            case .endsItself: #expect(try world.outcome("go", "s1") == .written)
            case .removed: try Files.unlink(path)
            case .moved: try Files.rename(path, to: path + ".old")
            case .replacedByFile: try world.write("\(keeper.pid)", to: path)
            case .damaged: try world.write("4194999", over: path)
            case .touched: try Files.setPermissions(0o400, of: path)
            case .opened: try OpenFile(path, .readWrite).close()
            case .directoryRemoved: removeTree(world.paths.directory)
            case .directoryMoved: try Files.rename(world.paths.directory, to: world.path("elsewhere"))
            }
            switch fate {
            case .removed, .moved, .replacedByFile, .directoryRemoved:
                isMute = true
                // Both take hold of the process.
                try world.eventually { try pidfds(of: keeper.pid) == 2 }
            default: world.loop.run(.noWait)
            }
            #expect(exits.told.isEmpty || fate == .endsItself)
            switch fate {
            case .endsItself: break
            case .stopped: try Processes.send(.terminate, to: keeper.pid)
            default:
                #expect(try pidfds(of: keeper.pid) == (isMute ? 2 : 0))
                try Processes.send(.kill, to: keeper.pid)
            }
            try world.eventually { exits.told.count == 1 && !keeper.isRunning }
            switch fate {
            case .endsItself: #expect(exits.told[0]?.code == 3 && keeper.exitStatus == .exited(code: 0))
            case .stopped: #expect(exits.told[0]?.reason == .keeperSignalled && keeper.exitStatus == .exited(code: 0))
            default: #expect(exits.told == [nil] && keeper.exitStatus == .signaled(.kill))
            }
            #expect(try pidfds(of: keeper.pid) == 0)
            #expect(waitpid(keeper.pid, nil, WNOHANG) == -1 && errno == ECHILD, "no zombie stays")
            world.loop.run(.noWait)
            #expect(exits.told.count == 1)
        }
    }

    @Test("a keeper that another one replaces before its end is told has ended, once, and so does the other one")
    func replaced() throws {
        try withWorld { world throws in
            let (keeper, exits) = try world.watched()
            try Processes.send(.kill, to: keeper.pid)
            let next = try world.restartOnOtherLoop(keeper)
            #expect(exits.told.isEmpty)
            try world.eventually { exits.told.count == 1 && !keeper.isRunning }
            #expect(exits.told == [nil] && keeper.exitStatus == .signaled(.kill))
            exits.session.onEnd = { exits.told.append($0) }
            #expect(try pidfds(of: next) == 0)
            try Processes.send(.terminate, to: next)
            try world.eventually { exits.told.count == 2 }
            #expect(exits.told[1]?.reason == .keeperSignalled)
            // Nobody watches this child of the test's any more.
            #expect(waitpid(next, nil, 0) == next)
        }
    }

    @Test("an end is told although the event is lost in a flood of others")
    func overflow() throws {
        try withWorld { world throws in
            let (keeper, exits) = try world.watched()
            let setting = try Files.read("/proc/sys/fs/inotify/max_queued_events", limit: 20)
            let limit = try #require(Int(String(decoding: setting.dropLast(), as: UTF8.self)))
            let path = world.path("f")
            try world.write("x", to: path)
            let other = world.owned(FileWatcher(on: world.loop))
            var isLost = false
            try other.start(world.root) { _, event in isLost = isLost || event == .overflow }
            for _ in 0..<limit / 4 + 1 {
                try Files.rename(path, to: path + "2")
                try Files.rename(path + "2", to: path)
            }
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { exits.told.count == 1 && !keeper.isRunning }
            #expect(isLost && exits.told == [nil])
        }
    }

    @Test("nobody is watched by a lock that does not prove an open file")
    func refused() throws {
        try withWorld { world throws in
            let holder = try world.lockedPIDFile(of: "s1").child.pid
            let path = world.paths.keeperPID(for: "s1")
            let startTime = try #require(ProcessDetails(of: holder)?.startTime)
            func watch(_ pid: Int32, _ startTime: Duration, _ path: String) -> Bool {
                let watch = LockWatch(pid, startedAt: startTime, at: path, on: world.loop) { _ in }
                watch?.close()
                return watch != nil
            }
            #expect(watch(holder, startTime, path))
            #expect(!watch(holder, startTime + .milliseconds(10), path), "another process")
            #expect(!watch(CurrentProcess.id, startTime, path))
            #expect(!watch(holder, startTime, path + "2"))
            let file = try OpenFile(path + "2", .createNew)
            #expect(!watch(holder, startTime, path + "2"), "nobody holds it")
            #expect(try file.lockForDescription())
            #expect(!watch(holder, startTime, path + "2"), "nobody knows who holds it")
            file.close()
            try world.eventually { !world.loop.openHandles.contains { $0 is WriterWatcher } }
        }
    }

    @Test("a host's waits for a keeper that rests end with it, with the manager and with the loop's handles")
    func waits() throws {
        for isClosed in [false, true] {
            try withWorld { world throws in
                let keeper = try world.spawn("s1")
                try world.eventually { try pidfds(of: keeper.pid) == 0 }
                var results: [DetachedProcess.WaitResult] = []
                keeper.process.waitForNoCrash(window: .milliseconds(1)) { results.append($0) }
                try world.eventually { results == [.running] }
                keeper.process.waitForNoCrash(window: hangTimeout) { results.append($0) }
                keeper.process.waitForReady(probe: { false }, deadline: hangTimeout) { results.append($0) }
                if isClosed { world.manager.close() } else { world.loop.closeHandles() }
                keeper.process.waitForNoCrash(window: hangTimeout) { results.append($0) }
                try world.eventually { results.count == 4 }
                #expect(results[1...].allSatisfy { $0 == .canceled } && keeper.isRunning)
            }
        }
    }

    @Test("a hundred idle sessions, started and adopted, whose ends are told, cost a host one descriptor together")
    func hundred() throws {
        try withWorld { world throws in
            for number in 0..<50 { _ = try world.spawn("a\(number)", command: ["cat"]) }
            let lines = try world.host(
                "crowd", world.paths.directory, BuiltProducts.sidecar, "50", "50", "1", "nothing")
            #expect(lines == ["more 1", "told 100", "unknown 0", "children none", "left 0"])
        }
    }

    @Test(
        "without watches each costs its host a descriptor, and all else is the same",
        arguments: ["watches", "queues"])
    func noWatches(_ refused: String) throws {
        try withWorld { world throws in
            for number in 0..<3 { _ = try world.spawn("a\(number)", command: ["cat"]) }
            // One for each end that is to be told, and one for each child.
            let lines = try world.host("crowd", world.paths.directory, BuiltProducts.sidecar, "3", "3", "9", refused)
            if lines == ["no filter"] { return }
            #expect(lines == ["more 9", "told 6", "unknown 0", "children none", "left 0"])
        }
    }

    @Test("an end while a host has no descriptor left is told when it has one again")
    func starved() throws {
        try withWorld { world throws in
            #expect(
                try world.host("bereave-at-rest", world.paths.directory, BuiltProducts.sidecar)
                    == ["free, told keeper-signalled", "\(ProcessExit.exited(code: 0))"])
        }
    }

    @Test("of a host's children only keepers are collected, and a host whose children the system drops is told, too")
    func parent() throws {
        try withWorld { world throws in
            #expect(
                try world.host("parent", world.paths.directory, BuiltProducts.sidecar, "collects")
                    == ["\(ProcessExit.signaled(.kill))", "own 7"])
            #expect(
                try world.host("parent", world.paths.directory + "2", BuiltProducts.sidecar, "ignores")
                    == ["\(ProcessExit.unknown)", "own dropped"])
        }
    }

    @Test("a loop does not wait for the end of a keeper, unless it is to be told")
    func references() throws {
        try withWorld { world throws in
            #expect(
                try world.host("leave", world.paths.directory, BuiltProducts.sidecar) == ["free", "alive true", "told"])
        }
    }
}

/// The ends of a session that were told.
private final class Exits {
    let session: Session
    var told: [SessionExit?] = []

    init(_ session: Session) {
        self.session = session
        session.onEnd = { [self] in told.append($0) }
    }
}

extension World {
    /// A keeper whose end another manager is to be told, once nobody here holds a descriptor of it.
    fileprivate func watched() throws -> (SpawnedKeeper, Exits) {
        let keeper = try spawn("s1", command: ["sh", "-c", "read x; exit 3"])
        own(try childPID("s1"))
        let exits = Exits(try otherManager().session("s1"))
        // A child that ends before that counts as a failed start.
        try eventually { text("s/keeper-s1.log").contains("keeper ready") }
        try eventually { try pidfds(of: keeper.pid) == 0 }
        return (keeper, exits)
    }

    /// Starts the next keeper of a killed one's session while this world's loop stands still.
    fileprivate func restartOnOtherLoop(_ killed: SpawnedKeeper) throws -> Int32 {
        let other = try Loop()
        let manager = try KeeperManager(on: other, options: self.manager.options)
        var result: Result<SpawnedKeeper, KeeperError>?
        try TestSupport.run(other) { Processes.liveness(of: killed.pid) == .gone }
        manager.spawnKeeper(for: killed.session, in: root, .init(command: ["cat"], deadline: hangTimeout)) {
            result = $0
        }
        try TestSupport.run(other) { result != nil }
        manager.close()
        other.run()
        try other.close()
        let keeper = try #require(result).get()
        own(keeper.pid, keeper.process.startTime)
        return keeper.pid
    }
}

/// The descriptors of a process that this process holds.
private func pidfds(of pid: Int32) throws -> Int {
    try Files.names(inDirectory: "/proc/self/fdinfo").count { name in
        guard let info = try? Files.read("/proc/self/fdinfo/\(name)", limit: 4096) else { return false }
        return String(decoding: info, as: UTF8.self).contains("\nPid:\t\(pid)\n")
    }
}
#endif
