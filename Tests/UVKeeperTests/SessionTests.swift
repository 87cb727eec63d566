import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// Requests to a session, beside its lines and its output.
@Suite struct SessionTests {
    @Test("status tells what is going on, also of a child that does not read")
    func status() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1", command: ["sh", "-c", "kill -STOP $$; exec cat > s1.out"])
            let session = world.manager.session("s1")
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 65535)
            #expect(try world.result { session.write(line, deadline: .untilSessionEnds, completion: $0) } == .written)
            var outcome: WriteOutcome?
            session.write("waits", deadline: .untilSessionEnds) { outcome = $0 }
            var status = try world.result { session.status($0) }.get()
            while status.linesIn < 2 { status = try world.result { session.status($0) }.get() }
            #expect(status.keeper.pid == keeper.pid)
            #expect(try status.child.pid == world.childPID("s1"))
            #expect(status.queuedBytes == 6)
            #expect(status.blockedSince != nil)
            #expect(outcome == nil)
            try Processes.send(.continue, to: try world.childPID("s1"))
            try world.eventually { outcome == .written }
        }
    }

    @Test("after the end of the input the child has every line before it, and later ones are refused")
    func endInput() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1", command: ["sh", "-c", "cat > s1.out; echo end >> s1.out; exec sleep 1000"])
            let session = world.manager.session("s1")
            #expect(try world.outcome("one", "s1") == .written)
            try world.result { session.endInput($0) }.get()
            let outcome = try world.result { session.write("two", deadline: .untilSessionEnds, completion: $0) }
            #expect(outcome == .refused(.inputClosed("s1")))
            try world.eventually { world.received("s1") == ["one", "end"] }
            #expect(world.manager.mayBeAlive("s1"))
        }
    }

    @Test("a signal reaches the child")
    func signal() throws {
        try withWorld { world throws in
            let script = "trap 'echo got >> s1.out' USR1; echo on > s1.out; while :; do read x || sleep 60; done"
            _ = try world.spawn("s1", command: ["sh", "-c", script])
            try world.eventually { world.received("s1") == ["on"] }
            let session = world.manager.session("s1")
            try world.result { session.signal(.user1, $0) }.get()
            // A shell runs its trap when its read ends.
            try world.eventually { world.received("s1") == ["on", "got"] }
            #expect(world.manager.mayBeAlive("s1"))
            guard case .failure = try world.result({ session.signal(.windowChange, $0) }) else {
                Issue.record("a signal that is none of the protocol's was sent")
                return
            }
        }
    }

    @Test("labels are in the record when the answer comes")
    func labels() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            try world.result { session.label(["a": "1", "b": "2"], $0) }.get()
            #expect(session.record?.labels == ["a": "1", "b": "2"])
            try world.result { session.label(["a": nil, "c": "3"], $0) }.get()
            #expect(session.record?.labels == ["b": "2", "c": "3"])
            // Two normal forms of one text are two names.
            let two: KeyValuePairs<String, String?> = [
                "\u{E9}": "one", "e\u{301}": "two", "b": nil, "c": "3", "c": nil,
            ]
            try world.result { session.label(two, $0) }.get()
            #expect(session.record?.labels == ["e\u{301}": "two", "\u{E9}": "one"])
            #expect(try world.result { session.status($0) }.get().labels == session.record?.labels)
            try world.result { session.label(["e\u{301}": nil], $0) }.get()
            #expect(session.record?.labels == ["\u{E9}": "one"])
            let tooLong = ["x": Optional(String(repeating: "y", count: 2000))]
            guard case .failure(.channel) = try world.result({ session.label(tooLong, $0) }) else {
                Issue.record("a value that is too long was taken")
                return
            }
        }
    }

    @Test("a request that no keeper takes is not sent, and others beside it are answered", arguments: [true, false])
    func tooLong(isConnected: Bool) throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            if isConnected { _ = try world.result { session.status($0) }.get() }
            // The rest of the header has 15 bytes.
            let counts = [65_521, 65_522, 70_000, 2_000_000]
            var answers: [String] = []
            func label(_ name: String, _ count: Int) {
                session.label([name: String(repeating: "y", count: count)]) { result in
                    switch result {
                    case .success: answers.append("ok")
                    case .failure(.channel(_, let word, _)): answers.append(word)
                    case .failure(.requestTooLong(let count, 65_536)): answers.append("\(count)")
                    case .failure(let error): answers.append("\(error)")
                    }
                }
            }
            for count in counts {
                label("a", 1)
                label("x", count)
                label("b", 1)
            }
            try world.eventually { answers.count == 12 }
            #expect(
                answers.sorted()
                    == ["2000015", "65537", "70015", "argument"] + [String](repeating: "ok", count: 8))
            #expect(session.record?.labels == ["a": "y", "b": "y"])
        }
    }

    @Test("an epoch that no keeper takes ends a read at once, and is not remembered for the lines that follow")
    func epochTooLong() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let session = world.manager.session("s1")
            let epoch = String(repeating: "0", count: 70_000)
            var events: [OutputEvent] = []
            session.read(from: .offsets([.out: 0], epoch: epoch)) { _, _, _ in
            } onEvent: {
                events.append($0)
            }
            try world.eventually { !events.isEmpty }
            guard case .failed(.requestTooLong) = events[0] else {
                Issue.record("\(events)")
                return
            }
            let result = try world.result { session.resumeWriting(epoch: epoch, last: 0, completion: $0) }
            guard case .failure(.requestTooLong) = result else {
                Issue.record("\(result)")
                return
            }
            #expect(try world.outcome("x", "s1") == .written)
        }
    }

    @Test("a session that was not used for a while holds no descriptor")
    func idle() throws {
        try withWorld(options: { $0.idleTime = .milliseconds(50) }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            #expect(session.isIdle)
            #expect(try world.outcome("x", "s1") == .written)
            _ = try world.result { session.status($0) }.get()
            #expect(!session.isIdle)
            try world.eventually { session.isIdle }
            #expect(!world.loop.openHandles.contains { $0 is PipeStream && !$0.isClosing })
            #expect(try world.outcome("y", "s1") == .written)
            try world.eventually { world.received("s1") == ["x", "y"] }
        }
    }

    @Test("a keeper without a channel gets lines, and what else it is asked for is an error that says so")
    func noChannel() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            try Files.unlink(world.paths.channel(for: "s1"))
            try Files.unlink(world.paths.record(for: "s1"))
            let session = world.manager.session("s1")
            #expect(try world.result { session.write("x", completion: $0) } == .sent)
            try world.eventually { world.received("s1") == ["x"] }
            guard case .failure(.noChannel("s1", _)) = try world.result({ session.status($0) }) else {
                Issue.record("it was answered")
                return
            }
            var last: OutputEvent?
            session.read(from: .start) { _, _, _ in
            } onEvent: {
                last = $0
            }
            try world.eventually { last != nil }
            guard case .failed(.noChannel("s1", _)) = last else {
                Issue.record("\(String(describing: last))")
                return
            }
        }
    }

    @Test("a keeper that ends before it has a record did not end as a former life of its session did")
    func endsAtStart() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("exec cat")
            let session = world.manager.session("s1")
            // As it is while a keeper waits for its control group.
            var former = try #require(session.record)
            former.keeper.pid = try world.start(["true"]).pid
            former.epoch = "0123456789abcdef"
            former.exit = SessionExit(reason: .exited, at: SessionRecord.now)
            let path = world.paths.record(for: session.id)
            try SessionRecord.replace(path, with: former.fileBytes, paths: world.paths)
            var ends: [SessionExit?] = []
            session.onEnd = { ends.append($0) }
            let other = try world.otherManager().session("s1")
            var exits: [SessionExit?] = []
            other.stop { result, exit in exits.append(exit) }
            try world.eventually { !keeper.isRunning }
            try world.eventually { ends.count == 1 && exits.count == 1 }
            #expect(ends[0]?.reason == .stopped && exits[0] == ends[0])
            // Killed, it leaves the former one's.
            let next = try world.spawnKept("exec cat")
            try SessionRecord.replace(path, with: former.fileBytes, paths: world.paths)
            ends = []
            session.onEnd = { ends.append($0) }
            try Processes.send(.kill, to: next.pid)
            try world.eventually { ends.count == 1 }
            #expect(ends == [nil])
        }
    }

    @Test("a request that the end of the session leaves without an answer says so")
    func endsUnanswered() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let session = world.manager.session("s1")
            _ = try world.result { session.status($0) }.get()
            try Processes.send(.stop, to: keeper.pid)
            var result: Result<SessionStatus, KeeperError>?
            session.status { result = $0 }
            try Processes.send(.terminate, to: keeper.pid)
            try world.pass(.milliseconds(20))
            #expect(result == nil)
            try Processes.send(.continue, to: keeper.pid)
            try world.eventually { result != nil && !keeper.isRunning }
            // It may still answer in the same moment.
            if case .failure(let error) = result { #expect(error == .sessionEnded("s1")) }
        }
    }

    @Test("so does one whose connection breaks as the session has ended")
    func endsBroken() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let proxy = try ChannelProxy("s1", in: world)
            proxy.holdsRequests = true
            var result: Result<SessionStatus, KeeperError>?
            world.manager.session("s1").status { result = $0 }
            try world.eventually { proxy.heldByteCount > 0 }
            try Processes.send(.terminate, to: keeper.pid)
            try world.eventually { world.manager.session("s1").record?.exit != nil }
            #expect(result == nil)
            proxy.cut()
            try world.eventually { result != nil }
            #expect(throws: KeeperError.sessionEnded("s1")) { try result?.get() }
        }
    }

    @Test("a ticket takes back no line of another session, even of one whose memory its own session had")
    func tickets() throws {
        try withWorld { world throws in
            var tickets: Set<Session.Ticket> = []
            var refused = 0
            // Each session is released when its manager is, and its memory is used again.
            for number in 0..<20 {
                let manager = try world.unownedManager()
                let session = manager.session("nobody")
                var outcome: WriteOutcome?
                let ticket = session.write("x") { outcome = $0 }
                for other in tickets where session.withdraw(other) { Issue.record("line \(number) was taken back") }
                #expect(tickets.insert(ticket).inserted)
                manager.close()
                try world.eventually { outcome != nil }
                if outcome == .refused(.closed) { refused += 1 }
            }
            #expect(refused == 20)
            let session = world.manager.session("nobody")
            let ticket = session.write("x") { _ in }
            #expect(session.withdraw(ticket) && !session.withdraw(ticket))
        }
    }

    @Test("without a session nothing is asked, and nothing waits")
    func nobody() throws {
        try withWorld { world throws in
            let session = world.manager.session("s1")
            guard case .failure(.connection(_, .noEntry)) = try world.result({ session.status($0) }) else {
                Issue.record("it was answered")
                return
            }
            #expect(session.record == nil)
            world.manager.close()
            #expect(throws: KeeperError.closed) { try world.result { session.status($0) }.get() }
        }
    }
}
