import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// The child of a session, of which there is only a number in a file, and perhaps an identity beside it.
@Suite struct ChildFindingTests {
    /// The files of a dead keeper whose child file names a process.
    private func leftBehind(_ pid: Int32, identity: ProcessIdentity?, in world: World, alone: Bool = false) throws {
        try Files.makeDirectory(at: world.paths.directory)
        let session = try world.session("s1")
        if !alone { try world.write("999999999", to: world.paths.keeperPID(for: session)) }
        let path = world.paths.childPID(for: session)
        try world.write("\(pid)", to: path)
        if let identity { try ChildIdentity.keep(identity, with: try OpenFile(path, .readWrite)) }
    }

    @Test(
        "a number that is another process's by now accuses nobody, and nobody is signalled", arguments: [true, false])
    func staleNumber(hasIdentity: Bool) throws {
        try withWorld { world throws in
            let stranger = try world.start(["sleep", "1000"])
            let own = try #require(ProcessIdentity(of: stranger.pid))
            let former = ProcessIdentity(pid: stranger.pid, text: "\(own.bootID) 10")
            try leftBehind(stranger.pid, identity: hasIdentity ? former : nil, in: world)
            let status = try #require(world.manager.status(of: "s1"))
            #expect(status.state == .stale && status.childPID == nil)
            #expect(try world.stop("s1", .now) == .notFound)
            #expect(try world.sessionFiles().isEmpty)
            #expect(stranger.isRunning)
            try leftBehind(stranger.pid, identity: hasIdentity ? former : nil, in: world)
            _ = try world.spawn("s1")
            #expect(stranger.isRunning)
        }
    }

    @Test("the child of a dead keeper is named, kept by a discovery, in the way of a start, and ended by a stop")
    func orphan() throws {
        try withWorld { world throws in
            let child = try world.start(["sleep", "1000"])
            try leftBehind(child.pid, identity: ProcessIdentity(of: child.pid), in: world)
            let session = try world.session("s1")
            let status = try #require(world.manager.status(of: "s1"))
            #expect(status.state == .stale && status.childPID == child.pid)
            let error = try #require(try world.spawnError("s1"))
            #expect(error == .formerChildRuns(session, pid: child.pid))
            #expect(
                "\(error)".contains("its former child \(child.pid) still runs")
                    && "\(error)".contains("uvkeeper kill s1"))
            #expect(try world.discover().removed == [session])
            #expect(try world.discover().removed.isEmpty)
            #expect(try world.sessionFiles() == ["s1.rpc.sock.pi-pid"] && child.isRunning)
            let listed = try world.result { world.manager.listKeepers(completion: $0) }.get()
            #expect(listed.map(\.childPID) == [child.pid] && listed.map(\.state) == [.stale])
            #expect(try world.spawnError("s1") == error)
            #expect(try world.stop("s1", .keepers) == .stopped)
            try world.eventually { !child.isRunning }
            #expect(child.exitStatus == .signaled(.terminate))
            #expect(try world.sessionFiles().isEmpty)
        }
    }

    @Test(
        "root ends nobody whom another user's file names, but that user's own processes",
        .enabled(if: World.isRoot, "only root can become another user"))
    func forged() throws {
        try withWorld { world throws in
            let child = try world.start(["sleep", "1000"])
            try leftBehind(child.pid, identity: ProcessIdentity(of: child.pid), in: world)
            let path = world.paths.childPID(for: try world.session("s1"))
            try Posix.setOwner(65533, of: path)
            #expect(world.manager.status(of: "s1")?.childPID == nil)
            // A start is not held up by it either.
            _ = try world.spawn("s1")
            #expect(try world.stop("s1", .now) == .stopped)
            try leftBehind(child.pid, identity: ProcessIdentity(of: child.pid), in: world, alone: true)
            try Posix.setOwner(65533, of: path)
            #expect(try world.stop("s1", .now) == .notFound)
            #expect(child.isRunning && !world.exists(path))
        }
    }

    @Test("a dead keeper's child that ignores SIGTERM is killed")
    func stubbornOrphan() throws {
        try withWorld { world throws in
            let host = try HostProcess(["stubborn"], in: world)
            #expect(try host.lines(1) == ["ready"])
            try leftBehind(host.child.pid, identity: ProcessIdentity(of: host.child.pid), in: world)
            #expect(try world.stop("s1", StopLadder(terminate: .milliseconds(20))) == .killed)
            _ = try host.end()
            #expect(host.child.exitStatus == .signaled(.kill))
            #expect(try world.sessionFiles().isEmpty)
        }
    }

    @Test("a start waits a moment for a former child that is just ending")
    func endingOrphan() throws {
        try withWorld { world throws in
            let child = try world.start(["sleep", "1000"])
            try leftBehind(child.pid, identity: ProcessIdentity(of: child.pid), in: world)
            // In the loop that also waits for it.
            let timer = world.owned(TimerHandle(on: world.loop))
            timer.start(after: .milliseconds(20)) { _ in expectNoError { try child.kill(.kill) } }
            let start = SystemClock.monotonicTime
            if let error = try world.spawnError("s1") {
                // On a slow machine it may end after that moment.
                #expect(try error == .formerChildRuns(world.session("s1"), pid: child.pid))
                #expect(SystemClock.monotonicTime - start >= .milliseconds(500), "it did not wait")
                try world.eventually { !child.isRunning }
                _ = try world.spawn("s1")
            }
            #expect(Processes.liveness(of: child.pid) == .gone)
            let closing = try world.start(["sleep", "1000"])
            try world.write("\(closing.pid)", to: world.paths.childPID(for: world.session("s2")))
            try world.write("999999999", to: world.paths.keeperPID(for: world.session("s2")))
            try ChildIdentity.keep(
                try #require(ProcessIdentity(of: closing.pid)),
                with: try OpenFile(world.paths.childPID(for: world.session("s2")), .readWrite))
            let manager = try world.unownedManager()
            let result: Result<SpawnedKeeper, KeeperError> = try world.result { done in
                manager.spawnKeeper(for: "s2", in: world.root, .init(command: ["cat"]), completion: done)
                manager.close()
            }
            guard case .failure(.closed) = result else {
                Issue.record("\(result)")
                return
            }
        }
    }

    @Test("a child's file that is alone is found and removed", arguments: ["999999999", "", "junk"])
    func alone(_ content: String) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session = try world.session("s1")
            for isDiscovery in [true, false] {
                try world.write(content, to: world.paths.childPID(for: session))
                #expect(try world.result { world.manager.listKeepers(completion: $0) }.get().map(\.state) == [.stale])
                if isDiscovery {
                    #expect(try world.discover().removed == [session])
                } else {
                    #expect(try world.stop("s1", .now) == .notFound)
                }
                #expect(try world.sessionFiles().isEmpty)
            }
        }
    }

    @Test("a touch of its files changes nothing about a live session")
    func touched() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let child = try world.childPID("s1")
            for seconds in [0, 1 << 33] {
                try Posix.setModificationTime(seconds, of: world.paths.childPID(for: keeper.session))
                let status = try #require(world.manager.status(of: "s1"))
                #expect(status.state == .live && status.childPID == child)
                #expect(try world.discover().terminated.isEmpty)
            }
            try Posix.setModificationTime(1 << 33, of: world.paths.keeperPID(for: keeper.session))
            #expect(world.manager.status(of: "s1")?.childPID == child)
        }
    }

    @Test("a predecessor's file, of whatever time, does not end a keeper that is starting")
    func predecessors() throws {
        try withWorld { world throws in
            let session = try world.session("s1")
            try leftBehind(999_999_999, identity: nil, in: world)
            let path = world.paths.keeperPID(for: session)
            let host = try HostProcess(["lock", path], in: world)
            try world.write("\(host.child.pid)", over: path)
            #expect(try host.lines(1) == ["locked"])
            try Posix.setModificationTime(1 << 33, of: world.paths.childPID(for: session))
            let own = try #require(ProcessIdentity(of: CurrentProcess.id))
            for identity in [nil, ProcessIdentity(pid: 999_999_999, text: own.text)] {
                if let identity {
                    try ChildIdentity.keep(
                        identity, with: try OpenFile(world.paths.childPID(for: session), .readWrite))
                }
                let found = try world.discover()
                #expect(found.terminated.isEmpty && found.keepers.map(\.keeperPID) == [host.child.pid])
                #expect(found.keepers.first?.childPID == nil)
            }
            #expect(host.child.isRunning)
            _ = try host.end()
        }
    }

    @Test("who listens is nobody's word once that process has ended: nobody is signalled")
    func listenerGone() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session = try world.session("s1")
            let left = try runProgram(
                BuiltProducts.executable("uvloop-test-helper"), ["listen-and-leave", world.paths.socket(for: session)])
            let heir = try #require(Int32(left.output.dropLast()), "\(left.output)")
            world.own(heir)
            try world.write("\(heir)", to: world.paths.keeperPID(for: session))
            try world.write("999999999", to: world.paths.childPID(for: session))
            let manager = try world.otherManager { $0.isChildAlive = { _, _ in false } }
            let found = try world.discover(manager)
            #expect(found.terminated.isEmpty && found.keepers.map(\.keeperPID) == [nil])
            #expect(!manager.killKeeper(for: "s1"))
            #expect(try world.stop("s1", .now) == .notPermitted)
            #expect(Processes.liveness(of: heir) == .alive)
        }
    }

    @Test("a session that is served on after its keeper's end is not stopped")
    func servedOn() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let session = try world.session("s1")
            let helper = try world.start([
                BuiltProducts.executable("uvloop-test-helper"), "listen-and-share", world.paths.socket(for: session),
                world.path("heir"),
            ])
            try world.eventually { world.text("heir").hasSuffix("\n") }
            world.own(try #require(Int32(world.text("heir").dropLast())))
            try world.eventually { ProcessTree.descendants(of: helper.pid).isEmpty }
            try world.write("\(helper.pid)", to: world.paths.keeperPID(for: session))
            #expect(try world.stop("s1", .now) == .stillServed)
            #expect(!helper.isRunning)
            #expect(try world.stop("s1", .now) == .notPermitted)
        }
    }
}
