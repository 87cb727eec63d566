import TestSupport
import Testing

@testable import UVKeeper

/// What makes a process a keeper, and what does not.
@Suite struct KeeperInspectionTests {

    @Test("a pid file that says nothing, with a socket that accepts, is a live keeper", arguments: ["", "junk", "1"])
    func listening(_ content: String) throws {
        try withTimelyWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session: SessionID = "s1"
            let listener = try Listener(.confirm, at: world.paths.socket(for: session), in: world)
            try world.write(content, to: world.paths.keeperPID(for: session))
            let found = try world.discover()
            #expect(found.keepers.map(\.session) == [session])
            #expect(found.removed.isEmpty)
            #expect(try world.sessionFiles() == ["s1.rpc.sock", "s1.rpc.sock.pid"])
            #expect(try world.outcome("x", at: listener.path) == .sent)
        }
    }

    @Test("a process that has a dead keeper's pid is a stranger, even with the session's name among its arguments")
    func recycledPID() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let stranger = try world.start(["sleep", "100"], detached: true)
            // The system shows no arguments until the exec has come to an end.
            try world.eventually { ProcessDetails.arguments(of: stranger.pid) == ["sleep", "100"] }
            for id in ["s1", "100"] {
                try world.write("\(stranger.pid)", to: world.paths.keeperPID(for: SessionID(id)))
            }
            let other = try world.otherManager { $0.isChildAlive = { _, _ in false } }
            let found = try world.discover(other)
            #expect(found.terminated.isEmpty)
            let removed = found.removed.map(\.rawValue)
            #expect(removed == ["s1"])
            for id: SessionID in ["s1", "100"] { #expect(!other.killKeeper(for: id)) }
            try world.run(for: .milliseconds(20))
            #expect(stranger.isRunning)
        }
    }

    @Test(
        "a keeper whose pid file was damaged can be stopped: it holds the lock and serves the socket",
        arguments: ["junk", "4194999"])
    func damagedPIDFile(_ content: String) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let child = try world.childPID("s1")
            let file = try OpenFile(world.paths.keeperPID(for: "s1"), .readWrite)
            try file.truncate()
            try file.write(Array(content.utf8))
            file.close()
            let status = try #require(world.manager.status(of: "s1"))
            // The child is shown to be its child by its parent.
            #expect(status.keeperPID == keeper.pid && status.childPID == child && status.state == .live)
            var result: KeeperManager.StopResult?
            world.manager.stop("s1") { result = $0 }
            try world.eventually { result != nil }
            #expect(result == .stopped)
            #expect(try world.sessionFiles().filter { !$0.hasSuffix(".log") } == [])
        }
    }

    @Test("a keeper that has its session and no child yet is starting; one that serves without its record is not")
    func starting() throws {
        try withWorld { world throws in
            let host = try world.lockedPIDFile(of: "s1")
            let file = try OpenFile(world.paths.keeperPID(for: "s1"), .readWrite)
            try file.truncate()
            try file.write(Array("\(host.child.pid)".utf8))
            file.close()
            let status = try #require(world.manager.status(of: "s1"))
            #expect(status.state == .starting && status.keeperPID == host.child.pid && status.childPID == nil)
            let keeper = try world.spawn("s2")
            _ = try world.childPID("s2")
            try Files.unlink(world.paths.childPID(for: "s2"))
            try Files.unlink(world.paths.record(for: "s2"))
            let other = try #require(world.manager.status(of: "s2"))
            #expect(other.state == .live && other.keeperPID == keeper.pid && other.childPID == nil)
            _ = try host.end()
        }
    }

    @Test("a keeper that was found can be killed, whatever it loses", arguments: 0...3)
    func foundAndDamaged(_ lost: Int) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let other = try world.otherManager()
            // Start times count in hundredths of a second.
            let startTime = ProcessDetails(of: keeper.pid)?.startTime ?? .zero
            try world.eventually { ProcessDetails.uptime > startTime + .milliseconds(20) }
            #expect(try world.discover(other).keepers.map(\.keeperPID) == [keeper.pid])
            switch lost {
            case 0: try Files.unlink(world.paths.keeperPID(for: keeper.session))
            case 1: try Files.unlink(keeper.socketPath)
            case 2:
                try Files.unlink(world.paths.keeperPID(for: keeper.session))
                try Files.unlink(keeper.socketPath)
                guard case .failure(.sessionTaken) = try world.trySpawn("s1", by: other) else {
                    Issue.record("a second keeper was started")
                    return
                }
            default:
                try world.write("junk", over: world.paths.keeperPID(for: keeper.session))
                try Files.unlink(keeper.socketPath)
            }
            #expect(other.killKeeper(for: "s1"))
            try world.eventually { !keeper.isRunning }
            #expect(!other.killKeeper(for: "s1"))
        }
    }

    @Test("a listener behind a link is no keeper: it gets neither line nor signal, and a start leaves it alone")
    func link() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let socket = world.paths.socket(for: "s1")
            let host = try HostProcess(["listen", world.path("agent")], in: world)
            #expect(try host.lines(1) == ["listening"])
            try Posix.makeSymbolicLink(at: socket, to: world.path("agent"))
            #expect(world.manager.status(of: "s1")?.state == .stale)
            #expect(try world.outcome("x", "s1") == .refused(.connection(socket, .notSocket)))
            let error = try #require(try world.spawnError("s1"))
            #expect("\(error)".contains("is served by process \(host.child.pid)"), "\(error)")
            #expect(try world.stop("s1", .now) == .notFound)
            #expect(try world.sessionFiles().filter { !$0.hasSuffix(".log") } == [])
            _ = try world.spawn("s1")
            #expect(try world.outcome("x", "s1") == .written)
            #expect(try host.end().last == "got nothing")
        }
    }

    @Test(
        "to root a listener is a keeper only if it is the directory owner's",
        .enabled(if: World.isRoot, "only root can become another user"), arguments: [0, 65533] as [UInt32])
    func othersListener(owner: UInt32) throws {
        try withWorld { world throws in
            try Posix.setPermissions(0o755, of: world.root)
            try Files.makeDirectory(at: world.paths.directory)
            try Posix.setPermissions(0o777, of: world.paths.directory)
            let host = try HostProcess(["stranger", world.paths.socket(for: "s1")], in: world)
            #expect(try host.lines(1) == ["listening"])
            try Posix.setPermissions(0o700, of: world.paths.directory)
            try Posix.setOwner(owner, of: world.paths.directory)
            #expect(try world.stop("s1", .now) == (owner == 0 ? .notPermitted : .stopped))
            #expect(host.child.isRunning == (owner == 0))
            _ = try host.end()
        }
    }

    @Test("a process that has locked a pid file without being named in it is left alone")
    func strangersLock() throws {
        try withWorld { world throws in
            let host = try world.lockedPIDFile(of: "s1")
            let found = try world.discover(world.otherManager { $0.isChildAlive = { _, _ in false } })
            #expect(found.terminated.isEmpty)
            #expect(found.removed.isEmpty)
            #expect(!world.manager.killKeeper(for: "s1"))
            #expect(host.child.isRunning)
            _ = try host.end()
            #expect(try world.discover().removed == [SessionID("s1")])
        }
    }

    @Test("a dead child's file from an earlier keeper does not end a keeper that is starting")
    func oldChildFile() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session: SessionID = "s1"
            try world.write("999999999", to: world.paths.childPID(for: session))
            try Posix.setModificationTime(1, of: world.paths.childPID(for: session))
            try world.write("", to: world.paths.keeperPID(for: session))
            let path = world.paths.keeperPID(for: session)
            let host = try HostProcess(["lock", path], in: world)
            try world.write("\(host.child.pid)", over: path)
            #expect(try host.lines(1) == ["locked"])
            let found = try world.discover()
            #expect(found.terminated.isEmpty)
            #expect(found.keepers.map(\.keeperPID) == [host.child.pid])
            #expect(host.child.isRunning)
            _ = try host.end()
        }
    }
}
