import TestSupport
import Testing
@_spi(Benchmarks) import UVKeeper

@Suite("An endpoint") struct KeeperEndpointTests {
    @Test("keeps one pid file open between connections, and follows one keeper after another")
    func followsKeepers() throws {
        try withWorld { world throws in
            let endpoint = KeeperEndpoint(world.manager.paths.socket(for: try world.session("s1")))
            for _ in 0..<2 {
                let keeper = try world.spawn("s1")
                for _ in 0..<3 { #expect(try world.end(ofLineTo: endpoint) == .confirmed) }
                #if os(Linux)
                #expect(world.openPIDFiles == [try Files.realPath(of: world.paths.keeperPID(for: keeper.session))])
                #endif
                world.manager.killKeeper(for: "s1")
                try world.eventually { Processes.liveness(of: keeper.pid) == .gone }
            }
            endpoint.forget()
            #expect(world.openPIDFiles.isEmpty)
            #expect(try world.end(ofLineTo: endpoint) == .failed(.noEntry, accepted: 0))
        }
    }

    @Test(
        "root's lines are for no other user's process either",
        .enabled(if: World.isRoot, "only root can become another user"))
    func rootsLines() throws {
        try withWorld { world throws in
            try Posix.setPermissions(0o777, of: world.root)
            let path = world.path("theirs")
            let stranger = try HostProcess(["stranger", path], in: world)
            #expect(try stranger.lines(1) == ["listening"])
            #expect(try world.outcome("x", at: path) == .refused(.connection(path, .notPermitted)))
            #expect(try stranger.end().last == "got nothing")
        }
    }

    @Test("a session that has nothing to send holds no descriptor")
    func idleSession() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            #expect(try world.outcome("a line", "s1") == .written)
            #expect(world.openPIDFiles.isEmpty)
        }
    }

    @Test("a session whose keeper was killed holds no descriptor either") func killedKeeper() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1", command: ["sleep", "1000"])
            world.own(try world.childPID("s1"))
            #expect(try world.outcome(String(repeating: "x", count: 65535), "s1") == .written)
            let outcome: WriteOutcome = try world.result { done in
                world.manager.writeRPC("last", to: "s1", completion: done)
                expectNoError { () throws(UVError) in
                    let timer = TimerHandle(on: world.loop)
                    timer.start(after: .milliseconds(1), repeating: .milliseconds(1)) { timer in
                        // It has read the line.
                        guard world.loop.hasSent, ProcessFigures(of: keeper.pid).isAsleep ?? true else { return }
                        timer.close()
                        expectNoError { () throws(UVError) in try Processes.send(.kill, to: keeper.pid) }
                    }
                }
            }
            #expect(outcome.isUnknown, "\(outcome)")
            try world.eventually { world.openPIDFiles.isEmpty }
        }
    }

    @Test("a line that the keeper still holds when the child closes its stdin is not confirmed") func closedStdin()
        throws
    {
        try withWorld { world throws in
            // The rest of 70,000 bytes waits in the keeper. It cannot close the connection then without confirming it.
            let script = "kill -STOP $$; exec <&-; exec sleep 1000"
            let keeper = try world.spawn("s1", command: ["sh", "-c", script])
            let child = try world.childPID("s1")
            try world.eventually { ProcessFigures(of: child).isStopped ?? true }
            let end: KeeperConnection.End = try world.result { done in
                let connection = try KeeperConnection(
                    to: keeper.socketPath, on: world.loop,
                    onOpen: { $0.write([UInt8](repeating: 0x0A, count: 70_000)) }, onEnd: { _, end in done(end) })
                try world.eventually {
                    connection.acceptedByteCount == 70_000 && ProcessFigures(of: keeper.pid).isAsleep ?? true
                }
                // For the keeper, what follows happens at once: first the pipe breaks, then the stream ends.
                try Processes.send(.stop, to: keeper.pid)
                try Processes.send(.continue, to: child)
                try world.eventually { !world.exists("/proc/\(child)/fd/0") }
                connection.finish()
                try Processes.send(.continue, to: keeper.pid)
                try world.eventually {
                    let log = try Files.read(world.manager.paths.log(for: "s1"), limit: .max)
                    return String(decoding: log, as: UTF8.self).contains("does not read its stdin any more")
                }
                try Processes.send(.terminate, to: keeper.pid)
            }
            #expect(end != .confirmed, "\(end)")
        }
    }

    @Test("where there is no lock, a clean close confirms", arguments: ["", "1", "no pid"])
    func noLock(contents: String) throws {
        try withWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            if !contents.isEmpty { try world.write(contents, to: world.path("x.pid")) }
            let endpoint = KeeperEndpoint(listener.path)
            for _ in 0..<2 { #expect(try world.end(ofLineTo: endpoint) == .confirmed) }
        }
    }

    @Test("what stands in the pid file's place confirms nothing less") func otherThings() throws {
        try withWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            try Files.makeDirectory(at: world.path("x.pid"))
            #expect(try world.end(ofLineTo: KeeperEndpoint(listener.path)) == .confirmed)
        }
    }

    @Test("the lock of another process than the one that listens proves nothing") func foreignLock() throws {
        try withWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            try world.write("1", to: world.path("x.pid"))
            let other = try HostProcess(["lock", world.path("x.pid")], in: world)
            #expect(try other.lines(1) == ["locked"])
            let endpoint = KeeperEndpoint(listener.path)
            #expect(try world.end(ofLineTo: endpoint) == .confirmed)
            _ = try other.end()
            #expect(try world.end(ofLineTo: endpoint) == .confirmed)
        }
    }
}

extension World {
    /// How a connection ends that carries one line.
    fileprivate func end(ofLineTo endpoint: KeeperEndpoint) throws -> KeeperConnection.End {
        try result { done in
            _ = try KeeperConnection(
                to: endpoint, on: loop,
                onOpen: { connection in
                    connection.write(Array("line\n".utf8))
                    connection.finish()
                }, onEnd: { _, end in done(end) })
        }
    }

    /// Paths of the pid files of this world that this process has open.
    fileprivate var openPIDFiles: [String] {
        let descriptors = (try? Files.names(inDirectory: "/proc/self/fd")) ?? []
        return descriptors.compactMap { try? Files.realPath(of: "/proc/self/fd/\($0)") }
            .filter { $0.hasPrefix(root) && $0.hasSuffix(".pid") }
    }
}
