import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// The end of a session, as it is told.
extension SessionTests {
    @Test("a stop tells how the session ended")
    func stop() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            var result: (result: KeeperManager.StopResult, exit: SessionExit?)?
            session.stop(.gentle) { result = ($0, $1) }
            try world.eventually { result != nil }
            #expect(result?.result == .stopped)
            #expect(result?.exit?.code == 0)
            #expect(session.record?.exit == result?.exit)
        }
    }

    @Test("the end of a session is told to whoever has adopted it, once", arguments: [true, false])
    func onEnd(isKilled: Bool) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1", command: ["sh", "-c", "read x; exit 3"])
            world.own(try world.childPID("s1"))
            let other = try world.otherManager()
            let session = other.session("s1")
            var exits: [SessionExit?] = []
            session.onEnd = { exits.append($0) }
            try world.eventually { world.text("s/s1.session.json").contains("\"child\"") }
            if isKilled {
                try Processes.send(.kill, to: keeper.pid)
            } else {
                // Later than its crash window.
                try world.eventually { world.text("s/keeper-s1.log").contains("keeper ready") || exits.count == 1 }
                #expect(try world.outcome("go", "s1") == .written)
            }
            try world.eventually { exits.count == 1 }
            #expect(exits[0]?.code == (isKilled ? nil : 3))
            #expect(exits[0] == nil || !isKilled)
            #expect(session.onEnd == nil)
        }
    }

    @Test("set anew in another life of the session, it is that life whose end is told")
    func onEndAnew() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            session.onEnd = { _ in Issue.record("it is set no more") }
            // While the world's loop stands still, the life ends and another begins.
            let other = try Loop()
            let manager = try KeeperManager(on: other, options: world.manager.options)
            var (stopped, started): (KeeperManager.StopResult?, Result<SpawnedKeeper, KeeperError>?)
            manager.stop("s1") { stopped = $0 }
            try TestSupport.run(other) { stopped != nil }
            #expect(stopped == .stopped)
            let options = SpawnOptions(
                command: ["sh", "-c", "read x; exit 3"], readiness: .settled, deadline: hangTimeout)
            manager.spawnKeeper(for: "s1", in: world.root, options) { started = $0 }
            try TestSupport.run(other) { started != nil }
            manager.close()
            other.run()
            try other.close()
            let keeper = try #require(started).get()
            world.own(keeper.pid, keeper.process.startTime)
            var exits: [SessionExit?] = []
            session.onEnd = { exits.append($0) }
            try world.pass(.milliseconds(50))
            #expect(exits.isEmpty)
            #expect(try world.outcome("go", "s1") == .written)
            try world.eventually { exits.count == 1 }
            #expect(exits[0]?.code == 3)
        }
    }

    @Test("a session whose keeper cannot be told for a while has not ended")
    func undecidedEnd() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            // A number that is nobody's, and no socket: somebody has the lock, and that is all that is known.
            try world.write("4194999", over: world.paths.keeperPID(for: "s1"))
            try Files.unlink(world.paths.socket(for: "s1"))
            let session = world.manager.session("s1")
            var exits: [SessionExit?] = []
            session.onEnd = { exits.append($0) }
            try world.pass(.milliseconds(50))
            #expect(exits.isEmpty)
            try Processes.send(.terminate, to: keeper.pid)
            try world.eventually { exits.count == 1 }
            #expect(!keeper.isRunning && exits[0]?.reason == .keeperSignalled)
        }
    }

    @Test("the end of a session is told when its record can be read again")
    func starvedEnd() throws {
        try withWorld { world throws in
            #expect(
                try world.host("bereave", world.paths.directory, "s1", BuiltProducts.sidecar)
                    == ["free", "told keeper-signalled"])
        }
    }
}
