import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// Reads and requests of a keeper that lives and says nothing.
@Suite struct SilentKeeperTests {
    private func failure(_ told: ToldOutput) -> KeeperError? {
        if case .failed(let error) = told.last { error } else { nil }
    }

    @Test("of a frozen keeper, a read and a request fail and name the stopped process", arguments: [true, false])
    func frozen(follows: Bool) throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("exec cat")
            try Processes.send(.stop, to: keeper.pid)
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start, follows: follows)
            let status = try world.result { world.manager.session("s1").status($0) }
            #expect(throws: KeeperError.frozen("s1", pid: keeper.pid)) { try status.get() }
            try world.eventually { told.last != nil }
            #expect(failure(told) == .frozen("s1", pid: keeper.pid))
        }
    }

    @Test("a read that has no hello is tried three times at most, in the time of a request")
    func mute() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let path = world.paths.channel(for: "s1")
            try Files.rename(path, to: path + ".gone")
            let listener = try Listener(.hold, at: path, in: world)
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            try world.eventually { told.last != nil }
            #expect(failure(told) == .timedOut(ChannelConstants.answerTime))
            #expect((1...3).contains(listener.connections), "\(listener.connections)")
        }
    }

    @Test("a read that is not answered after the hello fails, and is not tried again")
    func unanswered() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let proxy = try ChannelProxy("s1", in: world)
            proxy.holdsRequests = true
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            try world.eventually { told.last != nil }
            #expect(failure(told) == .timedOut(ChannelConstants.answerTime))
            #expect(proxy.heldByteCount > 0 && proxy.connections == 1)
        }
    }

    @Test(
        "a read that is answered by no keeper's words fails at once, and by an end that no record has, in its time",
        arguments: ["gap out 5 3\n", "out -1 5\n", #"reading {"out":{"from":9,"end":3}}"# + "\n"])
    func otherProtocol(reply: String) throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let proxy = try ChannelProxy("s1", in: world)
            proxy.holdsRequests = true
            proxy.reply = reply
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            try world.eventually { told.last != nil }
            guard case .malformedMessage = failure(told) else { return #expect(Bool(false), "\(told.last as Any)") }
            #expect(proxy.connections == 1)
            proxy.reply = #"exit {"code":0,"reason":"exited","at":"2026-01-02T03:04:05.678Z"}"# + "\n"
            let other = ToldOutput()
            other.start(world.manager.session("s1"), from: .start)
            try world.eventually { other.last != nil }
            #expect(failure(other) != nil)
        }
    }

    @Test("a read that does not follow fails when its keeper falls silent in the middle, not while it pauses itself")
    func silentInTheMiddle() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("head -c 900000 /dev/zero; exec sleep 1000")
            let session = world.manager.session("s1")
            var end: UInt64 = 0
            while end < 900_000 { end = try world.result { session.status($0) }.get().output?.out.end ?? 0 }
            let proxy = try ChannelProxy("s1", in: world)
            proxy.answerBytesUntilSilence = 300_000
            let (told, pausing) = (ToldOutput(), ToldOutput())
            told.start(session, from: .start, follows: false)
            try world.eventually { failure(told) != nil }
            #expect(failure(told) == .timedOut(ChannelConstants.answerTime))
            #expect((1..<900_000).contains(told.bytes[.out]?.count ?? 0))
            proxy.answerBytesUntilSilence = nil
            pausing.start(session, from: .start, follows: false)
            pausing.read?.pause()
            try world.pass(ChannelConstants.answerTime + .milliseconds(10))
            #expect(pausing.last == nil)
            pausing.read?.resume()
            try world.eventually { pausing.last != nil }
            #expect(pausing.bytes[.out]?.count == 900_000)
        }
    }

    @Test("a reader that was stopped itself blames no keeper for what it has not read")
    func stoppedItself() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("echo one; exec cat")
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            // It has asked, and the answer comes while the loop does not run, as in a process that is stopped.
            try world.eventually { told.read?.positionEpoch != nil }
            let stop = SystemClock.monotonicTime + ChannelConstants.answerTime + .milliseconds(10)
            while SystemClock.monotonicTime < stop {}
            try world.eventually { told.text == "one\n" || told.last != nil }
            #expect(told.last == nil)
            told.read?.cancel()
        }
    }

    @Test("a read that follows goes on when its keeper has been frozen, over a connection that broke meanwhile")
    func pausesInTheMiddle() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("exec cat")
            let proxy = try ChannelProxy("s1", in: world)
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            #expect(try world.outcome("one", "s1") == .written)
            try world.eventually { told.text == "one\n" }
            try Processes.send(.stop, to: keeper.pid)
            proxy.cut()
            // More than a read that has not begun tries.
            let before = proxy.connections
            try world.eventually { proxy.connections >= before + 5 }
            #expect(told.last == nil)
            try Processes.send(.continue, to: keeper.pid)
            #expect(try world.outcome("two", "s1") == .written)
            try world.eventually { told.text == "one\ntwo\n" }
            #expect(told.last == nil)
            told.read?.cancel()
        }
    }
}
