import KeeperProtocol
import TestSupport
import Testing
import UVKeeper

/// Writing to keepers that are frozen, or die: what is unknown arrives once or not at all, what is refused never.
@Suite struct FrozenKeeperTests {
    @Test("a line for a frozen keeper is unknown, those behind it are refused, and nothing is doubled when it thaws")
    func frozen() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            #expect(try world.outcome("first", "s1") == .written)
            try Processes.send(.stop, to: keeper.pid)
            var behind: [WriteOutcome] = []
            let outcome = try world.result { done in
                world.manager.writeRPC("unknown", to: "s1", completion: done)
            }
            #expect(outcome == .unknown(.timedOut(KeeperConstants.writeAttemptTimeout)))
            let start = SystemClock.monotonicTime
            for number in 0..<3 { world.manager.writeRPC("refused \(number)", to: "s1") { behind.append($0) } }
            try world.eventually { behind.count == 3 }
            #expect(behind.allSatisfy { $0 == .refused(.timedOut(KeeperConstants.writeAttemptTimeout)) })
            #expect(SystemClock.monotonicTime - start >= .milliseconds(1200))
            try Processes.send(.continue, to: keeper.pid)
            #expect(try world.outcome("last", "s1") == .written)
            try world.eventually { world.received("s1").count >= 3 }
            #expect(world.received("s1") == ["first", "unknown", "last"])
        }
    }

    @Test("lines that wait behind an unknown one are written when the keeper thaws in time")
    func thaws() throws {
        try withWorld { world throws in
            let timedOut = KeeperError.timedOut(KeeperConstants.writeAttemptTimeout)
            // On a slow machine it may have its turn too late for some of them: once more.
            for round in 0... {
                let id = "s\(round)"
                let keeper = try world.spawn(id)
                try Processes.send(.stop, to: keeper.pid)
                #expect(try world.outcome("unknown", id) == .unknown(timedOut))
                var outcomes = [WriteOutcome?](repeating: nil, count: 5)
                for number in outcomes.indices {
                    world.manager.writeRPC("\(number)", to: id) { outcomes[number] = $0 }
                }
                world.loop.run(.noWait)
                #expect(outcomes.allSatisfy { $0 == nil })
                try Processes.send(.continue, to: keeper.pid)
                try world.eventually { outcomes.allSatisfy { $0 != nil } }
                let settled = try outcomes.map { try world.settled($0!, id) }
                let lines = settled.indices.filter { settled[$0] != .refused(timedOut) }.map { "\($0)" }
                try world.eventually { world.received(id).count >= 1 + lines.count }
                #expect(world.received(id) == ["unknown"] + lines)
                if outcomes.contains(.unknown(timedOut)) || settled.contains(.refused(timedOut)), round < 20 {
                    continue
                }
                #expect(outcomes.allSatisfy { $0 == .written }, "\(outcomes)")
                break
            }
        }
    }

    @Test("a line of 1 MiB for a frozen keeper arrives whole and once, when it thaws")
    func long() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            try Processes.send(.stop, to: keeper.pid)
            let line = String(repeating: "x", count: 1 << 20)
            #expect(try world.outcome(line, "s1") == .unknown(.timedOut(KeeperConstants.writeAttemptTimeout)))
            try Processes.send(.continue, to: keeper.pid)
            #expect(try world.outcome("end", "s1") == .written)
            try world.eventually { world.received("s1").count >= 2 }
            #expect(world.received("s1") == [line, "end"])
        }
    }

    @Test("a line accepted by a keeper that is then killed is unknown")
    func killed() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            try Processes.send(.stop, to: keeper.pid)
            var outcome: WriteOutcome?
            world.manager.writeRPC("lost", to: "s1") { outcome = $0 }
            try world.eventually { world.loop.hasSent }
            #expect(outcome == nil)
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { outcome != nil }
            guard case .unknown = outcome else {
                Issue.record("\(String(describing: outcome))")
                return
            }
            #expect(world.received("s1").isEmpty)
        }
    }

    @Test("a listener that closes without reading makes the line unknown, and it is not sent again")
    func reset() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.reset, at: world.path("x"), in: world)
            #expect(
                try world.outcome("x", at: listener.path) == .unknown(.connection(listener.path, .connectionReset)))
            #expect(listener.connections == 1)
        }
    }

    @Test("lines that a reset connection never took are tried again, in order")
    func resetLeavesTheRest() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.reset, at: world.path("x"), in: world)
            var outcomes: [WriteOutcome] = []
            // More than one batch: the first is lost, the second has not been sent.
            for number in 0..<3 {
                let line = String(repeating: "\(number)", count: 100_000)
                world.manager.writeRPC(line, toSocketAt: listener.path) { outcome in
                    outcomes.append(outcome)
                    listener.behaviour = .confirm
                }
            }
            try world.eventually { outcomes.count == 3 }
            #expect(outcomes.first == .unknown(.connection(listener.path, .connectionReset)))
            #expect(outcomes.dropFirst().allSatisfy { $0 == .written })
            #expect(listener.text.split(separator: "\n").map(\.first) == ["1", "2"])
        }
    }

    @Test("a full backlog is tried again within the attempt, and the line is written when it clears")
    func fullBacklog() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), backlog: 0, in: world)
            listener.pause()
            while case .accepting(.some) = SocketProbe(listener.path) {}
            #expect(SocketProbe(listener.path) == .accepting(pid: nil))
            var outcome: WriteOutcome?
            world.manager.writeRPC("x", toSocketAt: listener.path) { outcome = $0 }
            // It is tried again after a millisecond or two.
            try world.pass(.milliseconds(20))
            #expect(outcome == nil)
            try listener.resume()
            try world.eventually { outcome != nil }
            #expect(outcome == .written)
            #expect(listener.text == "x\n")
        }
    }

    @Test("a backlog that stays full costs the three attempts and then refuses")
    func backlogStaysFull() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), backlog: 0, in: world)
            listener.pause()
            while case .accepting(.some) = SocketProbe(listener.path) {}
            let start = SystemClock.monotonicTime
            #expect(
                try world.outcome("x", at: listener.path)
                    == .refused(.timedOut(KeeperConstants.writeAttemptTimeout)))
            #expect(SystemClock.monotonicTime - start >= .milliseconds(1200))
            #expect(listener.bytes.isEmpty)
        }
    }

    @Test("a new keeper gets lines although the one before it is frozen with an unconfirmed line")
    func replaced() throws {
        try withTimelyWorld { world throws in
            let old = try Listener(.hold, at: world.path("x"), in: world)
            #expect(
                try world.outcome("old", at: old.path) == .unknown(.timedOut(KeeperConstants.writeAttemptTimeout)))
            try Files.unlink(old.path)
            let new = try Listener(.confirm, at: old.path, in: world)
            #expect(try world.outcome("new", at: new.path) == .written)
            #expect(new.text == "new\n")
            try old.release()
            try world.eventually { old.text == "old\n" }
        }
    }

    @Test("a line longer than its keeper takes is not reported as written")
    func tooLongForTheKeeper() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1", environment: [KeeperVariable.maximumLineLength: "100"])
            let outcome = try world.outcome(String(repeating: "x", count: 200), "s1")
            guard case .unknown = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(try world.outcome("short", "s1") == .written)
            try world.eventually { !world.received("s1").isEmpty }
            #expect(world.received("s1") == ["short"])
        }
    }
}
