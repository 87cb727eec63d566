import KeeperProtocol
import TestSupport
import Testing
import UVKeeper

/// Writing to keepers that are frozen, or die: what is unknown arrives once or not at all, what is refused never.
@Suite struct FrozenKeeperTests {
    @Test("lines for a keeper that freezes are unknown after their time, and arrive once when it thaws")
    func frozen() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            #expect(try world.outcome("first", "s1") == .written)
            try Processes.send(.stop, to: keeper.pid)
            var outcomes: [WriteOutcome] = []
            let start = SystemClock.monotonicTime
            for number in 0..<3 { world.manager.writeRPC("unknown \(number)", to: "s1") { outcomes.append($0) } }
            try world.eventually { outcomes.count == 3 }
            #expect(outcomes.allSatisfy { $0 == .unknown(.timedOut(KeeperConstants.writeTime)) }, "\(outcomes)")
            #expect(SystemClock.monotonicTime - start >= KeeperConstants.writeTime)
            try Processes.send(.continue, to: keeper.pid)
            #expect(try world.outcome("last", "s1") == .written)
            try world.eventually { world.received("s1").count >= 5 }
            #expect(world.received("s1") == ["first", "unknown 0", "unknown 1", "unknown 2", "last"])
        }
    }

    @Test("lines that have waited behind one for all of its time are refused with it, and a later one in its turn")
    func frozenTurn() throws {
        try withFullConnection { world, session in
            var (outcomes, late): ([WriteOutcome], WriteOutcome?) = ([], nil)
            var atOnce: Int?
            for number in 0..<50 {
                session.write("\(number)") {
                    outcomes.append($0)
                    if atOnce == nil { world.loop.onNextTick { atOnce = outcomes.count } }
                    #expect(late == nil)
                }
            }
            try world.pass(.milliseconds(100))
            session.write("late") { late = $0 }
            try world.eventually { late != nil }
            #expect(atOnce == 50 && outcomes.count == 50)
            #expect(outcomes.allSatisfy { $0 == .refused(.timedOut(KeeperConstants.writeTime)) }, "\(outcomes)")
            #expect(late == .refused(.timedOut(KeeperConstants.writeTime)))
        }
    }

    @Test("a line behind one that is withdrawn has its turn then")
    func turnAfterWithdrawal() throws {
        try withFullConnection { world, session in
            var outcomes: [WriteOutcome] = []
            let first = session.write("first") { outcomes.append($0) }
            session.write("second") { outcomes.append($0) }
            try world.pass(.milliseconds(20))
            #expect(session.withdraw(first))
            try world.eventually { outcomes.count == 2 }
            #expect(outcomes == [.refused(.withdrawn), .refused(.timedOut(KeeperConstants.writeTime))])
        }
    }

    /// Runs `body` with a session whose keeper is frozen, and whose connection takes no more.
    private func withFullConnection(_ body: (World, Session) throws -> Void) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let session = world.manager.session(try world.session("s1"))
            var outcome: WriteOutcome?
            session.write("first", deadline: .untilSessionEnds) { outcome = $0 }
            try world.eventually { outcome != nil }
            #expect(outcome == .written)
            try Processes.send(.stop, to: keeper.pid)
            session.write([UInt8](repeating: 0x78, count: 1 << 22), deadline: .untilSessionEnds) { _ in }
            try body(world, session)
        }
    }

    @Test("a keeper that is frozen already says no hello: lines for it are refused, and do not arrive later")
    func frozenBefore() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            try Processes.send(.stop, to: keeper.pid)
            var outcomes: [WriteOutcome] = []
            for number in 0..<3 { world.manager.writeRPC("refused \(number)", to: "s1") { outcomes.append($0) } }
            try world.eventually { outcomes.count == 3 }
            for outcome in outcomes {
                guard case .refused(.timedOut) = outcome else {
                    Issue.record("\(outcome)")
                    continue
                }
            }
            try Processes.send(.continue, to: keeper.pid)
            #expect(try world.outcome("last", "s1") == .written)
            try world.eventually { !world.received("s1").isEmpty }
            #expect(world.received("s1") == ["last"])
        }
    }

    @Test("a keeper that thaws in time has taken every line, once and in order")
    func thaws() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            #expect(try world.outcome("first", "s1") == .written)
            try Processes.send(.stop, to: keeper.pid)
            let session = world.manager.session(try world.session("s1"))
            var outcomes = [WriteOutcome?](repeating: nil, count: 5)
            for number in outcomes.indices {
                session.write("\(number)", deadline: .untilSessionEnds) { outcomes[number] = $0 }
            }
            try world.pass(.milliseconds(20))
            #expect(outcomes.allSatisfy { $0 == nil })
            #expect(session.waiting.lines == 5)
            try Processes.send(.continue, to: keeper.pid)
            try world.eventually { outcomes.allSatisfy { $0 != nil } }
            #expect(outcomes.allSatisfy { $0 == .written }, "\(outcomes)")
            try world.eventually { world.received("s1").count >= 6 }
            #expect(world.received("s1") == ["first"] + outcomes.indices.map { "\($0)" })
        }
    }

    @Test("a line of 1 MiB for a frozen keeper arrives whole and once, when it thaws")
    func long() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            #expect(try world.outcome("first", "s1") == .written)
            try Processes.send(.stop, to: keeper.pid)
            let line = String(repeating: "x", count: 1 << 20)
            #expect(try world.outcome(line, "s1") == .unknown(.timedOut(KeeperConstants.writeTime)))
            try Processes.send(.continue, to: keeper.pid)
            #expect(try world.outcome("end", "s1") == .written)
            try world.eventually { world.received("s1").count >= 3 }
            #expect(world.received("s1") == ["first", line, "end"])
        }
    }

    @Test("a line accepted by a keeper that is then killed is unknown")
    func killed() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            #expect(try world.outcome("first", "s1") == .written)
            try Processes.send(.stop, to: keeper.pid)
            var outcome: WriteOutcome?
            world.manager.writeRPC("lost", to: "s1") { outcome = $0 }
            // It is handed over in the next tick.
            for _ in 0..<2 { world.loop.run(.noWait) }
            #expect(outcome == nil)
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { outcome != nil }
            guard case .unknown = outcome else {
                Issue.record("\(String(describing: outcome))")
                return
            }
            #expect(world.received("s1") == ["first"])
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
            #expect(outcomes.dropFirst().allSatisfy { $0 == .sent })
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
            #expect(outcome == .sent)
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

    @Test("a new keeper gets lines although the one before it is frozen with a line that it has not read")
    func replaced() throws {
        try withTimelyWorld { world throws in
            let old = try Listener(.hold, at: world.path("x"), in: world)
            // The kernel has it.
            #expect(try world.outcome("old", at: old.path) == .sent)
            try Files.unlink(old.path)
            let new = try Listener(.confirm, at: old.path, in: world)
            #expect(try world.outcome("new", at: new.path) == .sent)
            #expect(new.text == "new\n")
            try old.release()
            try world.eventually { old.text == "old\n" }
        }
    }

    @Test("a line longer than its keeper takes is refused, whatever the manager takes")
    func tooLongForTheKeeper() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1", environment: [KeeperVariable.maximumLineLength: "100"])
            let outcome = try world.outcome(String(repeating: "x", count: 200), "s1")
            #expect(outcome == .refused(.lineTooLong(201, maximum: 100)))
            #expect(try world.outcome("short", "s1") == .written)
            try world.eventually { !world.received("s1").isEmpty }
            #expect(world.received("s1") == ["short"])
        }
    }
}
