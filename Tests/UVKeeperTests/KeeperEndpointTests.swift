import TestSupport
import Testing
import UVKeeper

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
                try world.eventually { !Processes.isProcessAlive(keeper.pid) }
            }
            endpoint.forget()
            #expect(world.openPIDFiles.isEmpty)
            #expect(try world.end(ofLineTo: endpoint) == .failed(.noEntry, accepted: 0))
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
