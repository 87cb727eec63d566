import TestSupport
import Testing
import UVKeeper

@Suite("A keeper that ends confirms nothing") struct KeeperWitnessTests {
    @Test(
        "a line that only the keeper holds is unknown when the keeper ends",
        arguments: [Signal.terminate, .kill, .interrupt])
    func keeperEnds(signal: Signal) throws {
        try withStalledChild { loop, manager, keeper, _, done in
            try onceRead(by: keeper, on: loop) { try Processes.send(signal, to: keeper) }
            manager.writeRPC("last", to: "s") { outcome in
                #expect(outcome.isUnknown, "\(outcome)")
                done()
            }
        }
    }

    @Test("nor does one whose pid file was removed") func pidFileRemoved() throws {
        try withStalledChild { loop, manager, keeper, _, done in
            try Files.unlink("\(manager.sessionsDirectory)/s.rpc.sock.pid")
            try onceRead(by: keeper, on: loop) { try Processes.send(.terminate, to: keeper) }
            manager.writeRPC("last", to: "s") { outcome in
                #expect(outcome.isUnknown, "\(outcome)")
                done()
            }
        }
    }

    @Test("a line that only the keeper holds is unknown when the child ends") func childEnds() throws {
        try withStalledChild { loop, manager, keeper, child, done in
            try onceRead(by: keeper, on: loop) { try Processes.send(.kill, to: child) }
            manager.writeRPC("last", to: "s") { outcome in
                #expect(outcome.isUnknown, "\(outcome)")
                done()
            }
        }
    }

    @Test("nor does it to a host without a descriptor to look at its lock") func unseen() throws {
        try withWorld { world throws in
            let lines = try world.host("unseen", world.paths.directory, "s1", BuiltProducts.sidecar)
            #expect(lines.count == 1 && ["refused: ", "unknown: "].contains { lines[0].hasPrefix($0) }, "\(lines)")
        }
    }

    @Test(
        "a keeper that ends and has said that all it read was taken confirms it, also before the client has finished",
        arguments: [true, false], [true, false])
    func allTaken(hasSaid: Bool, isFinished: Bool) throws {
        try withWorld { world throws in
            let path = world.path("s1.rpc.sock")
            let listener = world.owned(try PipeListener(bindingTo: path, on: world.loop))
            // This process is the keeper.
            let file = try OpenFile(path + ".pid", .createNew)
            #expect(try file.lockForProcess())
            var client: PipeStream?
            var count = 0
            try listener.listen { _, result in
                client = try? result.get()
                try? client?.readStart(onBytes: { _, bytes in count += bytes.byteCount }, onEnd: { _, _ in })
            }
            var end: KeeperConnection.End?
            _ = try KeeperConnection(
                to: path, on: world.loop,
                onOpen: { connection in
                    connection.write(Array("line\n".utf8))
                    if isFinished { connection.finish() }
                },
                onEnd: { end = $1 })
            try world.eventually { count == 5 }
            if hasSaid { try Posix.setPermissions(0o400, of: path + ".pid") }
            try Files.unlink(path + ".pid")
            file.close()
            client?.close()
            try world.eventually { end != nil }
            #expect(end == (hasSaid ? .confirmed : .failed(.connectionReset, accepted: 5)))
        }
    }

    /// A session whose child reads nothing and whose pipe is full to the last byte.
    private func withStalledChild(
        _ body: @escaping (Loop, KeeperManager, _ keeper: Int32, _ child: Int32, @escaping () -> Void) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                var options = KeeperManager.Options()
                options.sessionsDirectory = directory
                options.sidecar = [BuiltProducts.sidecar]
                let manager = try KeeperManager(on: loop, options: options)
                manager.spawnKeeper(
                    for: "s", in: "/", .init(command: ["sleep", "1000"], deadline: hangTimeout)
                ) { result in
                    do {
                        let keeper = try result.get()
                        let child = try #require(manager.status(of: "s")?.childPID)
                        // No attempt of 350 ms, which a slow machine may need for it.
                        try write([UInt8](repeating: 97, count: 65535), to: keeper, on: loop) {
                            do {
                                try body(loop, manager, keeper.pid, child) {
                                    manager.stop("s", grace: .zero) { _ in
                                        // A killed keeper leaves a child that does not read its stdin.
                                        if Processes.liveness(of: child) != .gone {
                                            try? Processes.send(.kill, to: child)
                                        }
                                        manager.close()
                                    }
                                }
                            } catch {
                                Issue.record(error)
                            }
                        }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
        }
    }

    /// A line that the child's pipe takes, on a connection of its own.
    private func write(
        _ line: [UInt8], to keeper: SpawnedKeeper, on loop: Loop, _ body: @escaping () -> Void
    ) throws {
        _ = try KeeperConnection(
            to: keeper.socketPath, on: loop,
            onOpen: { connection in
                connection.write(line + [UInt8(ascii: "\n")])
                connection.finish()
            },
            onEnd: { _, end in
                #expect(end == .confirmed)
                body()
            })
    }

    /// As soon as the keeper has read the line that is about to be written.
    private func onceRead(by keeper: Int32, on loop: Loop, _ body: @escaping () throws -> Void) throws {
        TimerHandle(on: loop).start(after: .milliseconds(1), repeating: .milliseconds(1)) { timer in
            // The attempt took too long on a slow machine, and the test has stopped the keeper.
            guard Processes.liveness(of: keeper) != .gone else { return timer.close() }
            // The line has woken it up, and it sleeps again.
            guard loop.hasSent, ProcessFigures(of: keeper).isAsleep ?? true else { return }
            timer.close()
            #expect(throws: Never.self) { try body() }
        }
    }
}

extension WriteOutcome {
    /// Whatever the reason: a slow machine may need longer than an attempt until the connection has failed.
    var isUnknown: Bool {
        if case .unknown = self { true } else { false }
    }
}
