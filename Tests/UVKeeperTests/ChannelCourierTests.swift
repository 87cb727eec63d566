import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// Lines through the channel, to real keepers: written once each, or told what became of them.
@Suite struct ChannelCourierTests {
    /// A child that reads nothing, and whose pipe is full to the last byte.
    private func withFullPipe(_ body: (World, SpawnedKeeper, Session) throws -> Void) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1", command: ["sh", "-c", "kill -STOP $$; exec cat > s1.out"])
            world.own(try world.childPID("s1"))
            let session = world.manager.session("s1")
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 65535)
            #expect(try world.result { session.write(line, deadline: .untilSessionEnds, completion: $0) } == .written)
            try body(world, keeper, session)
        }
    }

    /// The keeper has a line that the child's pipe has not.
    private func untilTaken(_ count: UInt64, _ world: World, _ session: Session) throws {
        var taken: UInt64 = 0
        while taken < count {
            let status = try world.result { session.status($0) }.get()
            taken = status.writers.map(\.last).max() ?? 0
        }
    }

    @Test("a line is written when the child's pipe has it, and not before")
    func written() throws {
        try withFullPipe { world, _, session in
            var outcome: WriteOutcome?
            session.write("last", deadline: .untilSessionEnds) { outcome = $0 }
            try untilTaken(2, world, session)
            #expect(outcome == nil)
            #expect(session.waiting.lines == 1 && session.waiting.bytes == 5)
            try Processes.send(.continue, to: try world.childPID("s1"))
            try world.eventually { outcome != nil }
            #expect(outcome == .written)
            #expect(session.waiting.lines == 0 && session.waiting.bytes == 0)
            try world.eventually { world.received("s1").count == 2 }
        }
    }

    @Test("a thousand lines at once share a connection, and arrive in order")
    func pipelined() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let proxy = try ChannelProxy("s1", in: world)
            let session = world.manager.session("s1")
            var outcomes: [WriteOutcome] = []
            for number in 0..<1000 { session.write("\(number)", deadline: .untilSessionEnds) { outcomes.append($0) } }
            #expect(session.waiting.lines == 1000)
            try world.eventually { outcomes.count == 1000 }
            #expect(outcomes.allSatisfy { $0 == .written })
            #expect(proxy.connections == 1)
            try world.eventually { world.received("s1").count >= 1000 }
            #expect(world.received("s1") == (0..<1000).map { "\($0)" })
        }
    }

    @Test("once the child's stdin is closed every line is refused, not only the first", arguments: [true, false])
    func inputClosed(_ byChild: Bool) throws {
        try withWorld { world throws in
            let closing = "exec <&-; echo > closed; exec sleep 1000"
            _ = try world.spawn("s1", command: byChild ? ["sh", "-c", closing] : ["sleep", "1000"])
            let session = world.manager.session("s1")
            if byChild {
                try world.eventually { world.exists(world.root + "/closed") }
            } else {
                try world.result { session.endInput($0) }.get()
            }
            for _ in 0..<3 {
                let outcome = try world.result { session.write("x", deadline: .untilSessionEnds, completion: $0) }
                #expect(outcome == .refused(.inputClosed("s1")))
            }
        }
    }

    @Test("lines whose acknowledgement is lost with the connection are written, and not twice")
    func cutBeforeAcknowledgement() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let proxy = try ChannelProxy("s1", in: world)
            let session = world.manager.session("s1")
            #expect(
                try world.result { session.write("first", deadline: .untilSessionEnds, completion: $0) } == .written)
            proxy.dropsAnswers = true
            var outcomes: [WriteOutcome] = []
            for number in 0..<100 { session.write("\(number)", deadline: .untilSessionEnds) { outcomes.append($0) } }
            try world.eventually { world.received("s1").count == 101 }
            #expect(outcomes.isEmpty)
            proxy.dropsAnswers = false
            proxy.cut()
            try world.eventually { outcomes.count == 100 }
            #expect(outcomes.allSatisfy { $0 == .written })
            #expect(try world.outcome("last", "s1") == .written)
            try world.eventually { world.received("s1").count >= 102 }
            #expect(world.received("s1") == ["first"] + (0..<100).map { "\($0)" } + ["last"])
            #expect(proxy.connections == 2)
        }
    }

    @Test("a line whose acknowledgement is lost is written, also if the session ends before its keeper is asked again")
    func endsBeforeIntroduction() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let proxy = try ChannelProxy("s1", in: world)
            let session = world.manager.session("s1")
            #expect(
                try world.result { session.write("first", deadline: .untilSessionEnds, completion: $0) } == .written)
            proxy.dropsAnswers = true
            var outcome: WriteOutcome?
            session.write("second", deadline: .untilSessionEnds) { outcome = $0 }
            try world.eventually { world.received("s1").count == 2 }
            (proxy.dropsAnswers, proxy.holdsRequests) = (false, true)
            proxy.cut()
            try world.eventually { proxy.heldByteCount > 0 }
            _ = try world.result { (done: @escaping (KeeperManager.StopResult) -> Void) in
                world.manager.stop("s1", completion: done)
            }
            try world.eventually { outcome != nil }
            #expect(outcome == .written)
        }
    }

    @Test(
        "a connection that is cut at any byte leaves no fragment and loses no line",
        arguments: [1, 30, 99, 5000, 300_000])
    func cutWithinLine(byteCount: Int) throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let proxy = try ChannelProxy("s1", in: world)
            let session = world.manager.session("s1")
            proxy.bytesUntilCut = byteCount
            var outcomes: [WriteOutcome] = []
            let lines = (0..<5).map { String(repeating: "\($0)", count: 100_000) }
            for line in lines { session.write(line, deadline: .untilSessionEnds) { outcomes.append($0) } }
            try world.eventually { outcomes.count == 5 }
            #expect(outcomes.allSatisfy { $0 == .written }, "\(outcomes)")
            #expect(proxy.connections == 2)
            try world.eventually { world.received("s1").count >= 5 }
            #expect(world.received("s1") == lines)
        }
    }

    @Test(
        "a line that only the keeper has when the session ends did not get into the pipe",
        arguments: [
            Signal.terminate, .interrupt,
        ])
    func keeperEnds(signal: Signal) throws {
        try withFullPipe { world, keeper, session in
            var outcome: WriteOutcome?
            session.write("last", deadline: .untilSessionEnds) { outcome = $0 }
            try untilTaken(2, world, session)
            try Processes.send(signal, to: keeper.pid)
            try world.eventually { outcome != nil }
            #expect([.refused(.inputClosed("s1")), .refused(.sessionEnded("s1"))].contains(outcome))
        }
    }

    @Test("nor if its child ends")
    func childEnds() throws {
        try withFullPipe { world, _, session in
            var outcome: WriteOutcome?
            session.write("last", deadline: .untilSessionEnds) { outcome = $0 }
            try untilTaken(2, world, session)
            try Processes.send(.kill, to: try world.childPID("s1"))
            try world.eventually { outcome != nil }
            #expect([.refused(.inputClosed("s1")), .refused(.sessionEnded("s1"))].contains(outcome))
        }
    }

    @Test("a line that a killed keeper had is unknown", arguments: [WriteDeadline.attempts, .untilSessionEnds])
    func keeperKilled(deadline: WriteDeadline) throws {
        try withFullPipe { world, keeper, session in
            var outcome: WriteOutcome?
            session.write("last", deadline: deadline) { outcome = $0 }
            try untilTaken(2, world, session)
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { outcome != nil }
            guard case .unknown = outcome else {
                Issue.record("\(String(describing: outcome))")
                return
            }
        }
    }

    @Test("a session that has begun anew gets the next line, and none of those before")
    func beganAnew() throws {
        try withWorld { world throws in
            let first = try world.spawn("s1")
            let session = world.manager.session("s1")
            #expect(try world.outcome("first", "s1") == .written)
            try Processes.send(.stop, to: first.pid)
            var outcome: WriteOutcome?
            session.write("lost", deadline: .untilSessionEnds) { outcome = $0 }
            try world.pass(.milliseconds(20))
            try Processes.send(.kill, to: first.pid)
            try world.eventually { !first.isRunning && outcome != nil }
            guard case .unknown = outcome else {
                Issue.record("\(String(describing: outcome))")
                return
            }
            try world.eventually { world.received("s1") == ["first"] }
            try world.eventually { Processes.liveness(of: try world.childPID("s1")) == .gone }
            _ = try world.spawn("s1")
            #expect(try world.outcome("second", "s1") == .written)
            try world.eventually { world.received("s1") == ["second"] }
        }
    }

    @Test("a line that nothing has left of can be taken back, a line that was sent cannot")
    func withdraw() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let session = world.manager.session("s1")
            try Processes.send(.stop, to: keeper.pid)
            var outcomes: [WriteOutcome?] = [nil, nil]
            let kept = session.write("kept", deadline: .untilSessionEnds) { outcomes[0] = $0 }
            let withdrawn = session.write("withdrawn", deadline: .untilSessionEnds) { outcomes[1] = $0 }
            #expect(session.withdraw(withdrawn))
            #expect(!session.withdraw(withdrawn))
            #expect(outcomes == [nil, nil], "completed inside the call")
            try world.eventually { outcomes[1] != nil }
            #expect(outcomes[1] == .refused(.withdrawn))
            #expect(session.waiting.lines == 1)
            try Processes.send(.continue, to: keeper.pid)
            try world.eventually { outcomes[0] != nil }
            #expect(outcomes[0] == .written)
            #expect(!session.withdraw(kept))
            try world.eventually { world.received("s1") == ["kept"] }
        }
    }

    @Test("a deadline of a line's own is kept, and one without end waits for a keeper that is frozen")
    func deadlines() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let session = world.manager.session("s1")
            try Processes.send(.stop, to: keeper.pid)
            var outcomes: [WriteOutcome?] = [nil, nil]
            let start = SystemClock.monotonicTime
            session.write("short", deadline: .within(.milliseconds(100))) { outcomes[0] = $0 }
            session.write("patient", deadline: .untilSessionEnds) { outcomes[1] = $0 }
            try world.eventually { outcomes[0] != nil }
            #expect(outcomes[0] == .refused(.timedOut(.milliseconds(100))))
            #expect(SystemClock.monotonicTime - start >= .milliseconds(100))
            try world.pass(KeeperConstants.writeTime)
            #expect(outcomes[1] == nil)
            try Processes.send(.continue, to: keeper.pid)
            try world.eventually { outcomes[1] != nil }
            #expect(outcomes[1] == .written)
            try world.eventually { world.received("s1") == ["patient"] }
        }
    }

    @Test("a line that waits for the session's end is refused when there is no session")
    func noSession() throws {
        try withWorld { world throws in
            let session = world.manager.session("s1")
            let outcome = try world.result { session.write("x", deadline: .untilSessionEnds, completion: $0) }
            #expect(outcome == .refused(.sessionEnded("s1")))
        }
    }
}
