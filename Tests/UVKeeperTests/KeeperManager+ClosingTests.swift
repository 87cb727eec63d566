import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// What becomes of keepers and lines when managers, loops and handles close.
@Suite struct KeeperManagerClosingTests {
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

    @Test(
        "opens that wait for one another, for a start or for a keeper end as closed with the manager, or with the loop's handles",
        arguments: [true, false], [true, false])
    func opensClosed(_ byManager: Bool, _ isStarted: Bool) throws {
        // Sessions are numbers of seconds: their keepers never begin to serve.
        try withWorld(options: { $0.sidecar = ["sleep"] }) { world throws in
            if isStarted {
                let start = SpawnOptions(command: ["true"], readiness: .started)
                let keeper = try world.result {
                    world.manager.spawnKeeper(for: "1000", in: world.root, start, completion: $0)
                }
                world.own(try keeper.get().pid)
            }
            var errors: [KeeperError] = []
            for command in ["true", "true", "false"] {
                world.manager.open("1000", in: world.root, SpawnOptions(command: [command])) { result in
                    if case .failure(let error) = result { errors.append(error) } else { Issue.record("opened") }
                }
            }
            for process in world.manager.processes.values { world.own(process.pid, process.startTime) }
            if byManager { world.manager.close() } else { world.loop.closeHandles() }
            try world.eventually { errors.count == 3 }
            #expect(errors == [.closed, .closed, .closed])
        }
    }

    @Test("an open that has found a keeper ends as closed with the manager") func adoptionClosed() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let other = try world.otherManager()
            let result = try world.result { (done: @escaping (Result<OpenSession, KeeperError>) -> Void) in
                other.open("s1", in: world.root, completion: done)
                other.close()
            }
            #expect(throws: KeeperError.closed) { try result.get() }
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
