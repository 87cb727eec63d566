import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// A host with a writer's name of its own, and a journal of its lines.
@Suite struct SessionWriterTests {
    private let name = WriterName("server")!

    @Test("a server that starts again goes on with its journal: every line exactly once")
    func goesOn() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            for number in 1...10 {
                let outcome = try world.result {
                    session.write("\(number)", deadline: .untilSessionEnds, completion: $0)
                }
                #expect(outcome == .written)
            }
            let epoch = try #require(session.record?.epoch)
            world.manager.close()
            // Its journal has five lines that never left.
            let other = try world.otherManager().session("s1")
            let position = try world.result { other.resumeWriting(epoch: epoch, last: 15, completion: $0) }.get()
            #expect(position == WriterPosition(epoch: epoch, last: 10, acknowledged: 10))
            for number in position.last + 1...15 {
                #expect(try world.result { other.write("\(number)", completion: $0) } == .written)
            }
            try world.eventually { world.received("s1").count >= 15 }
            #expect(world.received("s1") == (1...15).map { "\($0)" })
            #expect(try world.result { other.resumeWriting(epoch: epoch, last: 15, completion: $0) }.get().last == 15)
        }
    }

    @Test("a journal of another life of the session is an error, and nothing is sent")
    func beganAnew() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            #expect(throws: KeeperError.sessionBeganAnew("s1")) {
                try world.result { session.resumeWriting(epoch: "0123456789abcdef", last: 7, completion: $0) }.get()
            }
            #expect(try world.result { session.write("x", completion: $0) } == .refused(.sessionBeganAnew("s1")))
            let position = try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.get()
            #expect(position.last == 0)
            #expect(try world.result { session.write("y", completion: $0) } == .written)
            try world.eventually { world.received("s1") == ["y"] }
        }
    }

    @Test("a host that asks where it goes on after its lines were refused is not refused any more")
    func goesOnAnew() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            let first = try world.spawn("s1")
            let session = world.manager.session("s1")
            #expect(try world.result { session.write("x", completion: $0) } == .written)
            let epoch = try #require(session.record?.epoch)
            try Processes.send(.kill, to: first.pid)
            let child = try world.childPID("s1")
            try world.eventually { !first.isRunning && Processes.liveness(of: child) == .gone }
            _ = try world.spawn("s1")
            #expect(try world.result { session.write("y", completion: $0) } == .refused(.sessionBeganAnew("s1")))
            #expect(throws: KeeperError.sessionBeganAnew("s1")) {
                try world.result { session.resumeWriting(epoch: epoch, last: 1, completion: $0) }.get()
            }
            #expect(try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.get().last == 0)
            #expect(try world.result { session.write("z", completion: $0) } == .written)
            try world.eventually { world.received("s1") == ["z"] }
        }
    }

    @Test("a host is told that a session has begun anew, also if the one before ended in order")
    func endedInOrder() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            #expect(try world.result { session.write("x", completion: $0) } == .written)
            var isStopped = false
            session.stop(.now) { result, _ in isStopped = result == .stopped }
            try world.eventually { isStopped }
            _ = try world.spawn("s1")
            #expect(try world.result { session.write("y", completion: $0) } == .refused(.sessionBeganAnew("s1")))
            #expect(try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.get().last == 0)
            #expect(try world.result { session.write("z", completion: $0) } == .written)
            try world.eventually { world.received("s1") == ["z"] }
        }
    }

    @Test("a host may ask anew where it goes on as soon as it is told that its journal is another life's")
    func asksAtOnce() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            var position: WriterPosition?
            session.resumeWriting(epoch: "0123456789abcdef", last: 7) { result in
                #expect(throws: KeeperError.sessionBeganAnew("s1")) { try result.get() }
                session.resumeWriting(epoch: nil, last: 0) { if case .success(let found) = $0 { position = found } }
            }
            try world.eventually { position != nil }
            // One for lines and one for questions. The keeper may not have seen the end of the first one yet.
            try world.eventually { try world.result { session.status($0) }.get().clients.channel == 2 }
            #expect(try world.result { session.write("y", completion: $0) } == .written)
        }
    }

    @Test("what a keeper has taken and its child's pipe has not is not acknowledged, however often a host asks")
    func taken() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let child = try world.childPID("s1")
            try Processes.send(.stop, to: child)
            let session = world.manager.session("s1")
            // The pipe has room for the first alone.
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 60_000)
            var written = 0
            for _ in 0..<3 {
                session.write(line, deadline: .untilSessionEnds) { if $0 == .written { written += 1 } }
            }
            var taken: UInt64 = 0
            try world.eventually {
                session.status { if case .success(let status) = $0 { taken = status.writers.first?.last ?? 0 } }
                return written == 1 && taken == 3
            }
            let other = try world.otherManager().session("s1")
            for _ in 0..<2 {
                let position = try world.result { other.resumeWriting(epoch: nil, last: 3, completion: $0) }.get()
                #expect(position.last == 3 && position.acknowledged == 1)
            }
            try Processes.send(.continue, to: child)
            var acknowledged: UInt64 = 0
            try world.eventually {
                other.resumeWriting(epoch: nil, last: 3) { result in
                    if case .success(let position) = result { acknowledged = position.acknowledged }
                }
                return acknowledged == 3
            }
        }
    }

    @Test("somebody else of the same name takes over, and who was there before sends nothing more")
    func replaced() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            #expect(try world.result { session.write("one", completion: $0) } == .written)
            let other = try world.otherManager().session("s1")
            let position = try world.result { other.resumeWriting(epoch: nil, last: 1, completion: $0) }.get()
            #expect(position.last == 1)
            #expect(try world.result { other.write("two", completion: $0) } == .written)
            try world.eventually { session.lines.channel?.writer.refusal != nil }
            let outcome = try world.result { session.write("lost", completion: $0) }
            #expect(outcome == .refused(.writerReplaced("s1", "server")))
            try world.eventually { world.received("s1") == ["one", "two"] }
        }
    }

    @Test("a journal that knows fewer lines than the keeper is an error, with an epoch or without")
    func tooFew() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            for line in ["one", "two"] {
                #expect(
                    try world.result { session.write(line, deadline: .untilSessionEnds, completion: $0) } == .written)
            }
            let epoch = try #require(session.record?.epoch)
            let other = try world.otherManager().session("s1")
            for (epoch, last) in [(nil, 1), (epoch, 1), (epoch, 0)] as [(String?, UInt64)] {
                // On a connection that is open, and on a new one.
                for session in [session, other] {
                    let result = try world.result { session.resumeWriting(epoch: epoch, last: last, completion: $0) }
                    guard case .failure(.channel("s1", "sequence", let text)) = result else {
                        Issue.record("\(String(describing: epoch)) \(last): \(result)")
                        continue
                    }
                    #expect(text.contains("line 2 ") && text.contains("\(last) is"), "\(text)")
                }
            }
            // Without a journal, and with one that has given out more.
            for last: UInt64 in [0, 2, 3] {
                let position = try world.result { session.resumeWriting(epoch: nil, last: last, completion: $0) }.get()
                #expect(position == WriterPosition(epoch: epoch, last: 2, acknowledged: 2))
            }
        }
    }

    @Test("without an epoch, a journal of another life of the session learns that the keeper has taken nothing")
    func anyEpoch() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            let position = try world.result { session.resumeWriting(epoch: nil, last: 3, completion: $0) }.get()
            #expect(position.last == 0 && position.acknowledged == 0)
            #expect(try world.result { session.write("x", completion: $0) } == .written)
            #expect(try world.result { session.resumeWriting(epoch: nil, last: 4, completion: $0) }.get().last == 1)
        }
    }

    @Test("a line whose outcome is unknown stays with its life of the session, whatever the host asks the next one")
    func unknownOfFormerLife() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            let first = try world.spawn("s1")
            let child = try world.childPID("s1")
            let session = world.manager.session("s1")
            #expect(try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.get().last == 0)
            try Processes.send(.stop, to: first.pid)
            var outcomes: [WriteOutcome] = []
            for number in 1...3 { session.write("\(number)") { outcomes.append($0) } }
            try world.eventually { outcomes.count == 3 }
            #expect(outcomes.allSatisfy { $0 == .unknown(.timedOut(KeeperConstants.writeTime)) }, "\(outcomes)")
            try Processes.send(.kill, to: first.pid)
            try world.eventually { !first.isRunning && Processes.liveness(of: child) == .gone }
            _ = try world.spawn("s1")
            #expect(try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.get().last == 0)
            for number in 4...6 {
                let line = "\(number)"
                #expect(
                    try world.result { session.write(line, deadline: .untilSessionEnds, completion: $0) } == .written)
            }
            try world.eventually { world.received("s1").count >= 3 }
            #expect(world.received("s1") == ["4", "5", "6"])
        }
    }

    @Test("a host may ask where it goes on as soon as the first of its lines has failed")
    func asksInCompletion() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1", command: ["sh", "-c", "kill -STOP $$; exec cat > s1.out"])
            world.own(try world.childPID("s1"))
            let session = world.manager.session("s1")
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 100_000)
            var outcomes: [WriteOutcome] = []
            var position: Result<WriterPosition, KeeperError>?
            for _ in 0..<9 {
                session.write(line, deadline: .untilSessionEnds) { outcome in
                    outcomes.append(outcome)
                    guard outcomes.count == 1 else { return }
                    session.resumeWriting(epoch: nil, last: 9) { position = $0 }
                }
            }
            let queue = session.lines.lines
            try world.eventually { !queue.isEmpty(.sent) && !queue.isEmpty(.unsent) }
            let other = try world.otherManager().session("s1")
            _ = try world.result { other.resumeWriting(epoch: nil, last: 9, completion: $0) }.get()
            try world.eventually { position != nil }
            #expect(outcomes.count == 9)
            #expect(outcomes.first == .unknown(.writerReplaced("s1", "server")))
            #expect(outcomes.last == .refused(.writerReplaced("s1", "server")))
            _ = try #require(position).get()
        }
    }

    @Test("a host that asks where it goes on while its lines wait, or twice at once, is told so")
    func asksTooEarly() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            let session = world.manager.session("s1")
            var first: Result<WriterPosition, KeeperError>?
            session.resumeWriting(epoch: nil, last: 0) { first = $0 }
            #expect(throws: KeeperError.linesWait("s1")) {
                try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.get()
            }
            try world.eventually { first != nil }
            #expect(try first?.get().last == 0)
            let other = try world.otherManager().session("s1")
            var outcome: WriteOutcome?
            other.write("x", deadline: .untilSessionEnds) { outcome = $0 }
            #expect(throws: KeeperError.linesWait("s1")) {
                try world.result { other.resumeWriting(epoch: nil, last: 0, completion: $0) }.get()
            }
            try world.eventually { outcome != nil }
            #expect(outcome == .written)
        }
    }

    @Test("a keeper without a channel counts no lines, and the error says so")
    func noChannel() throws {
        try withWorld(options: { $0.writer = name }) { world throws in
            _ = try world.spawn("s1")
            try Files.unlink(world.paths.channel(for: "s1"))
            try Files.unlink(world.paths.record(for: "s1"))
            let session = world.manager.session("s1")
            guard
                case .failure(.noChannel("s1", _)) = try world.result({
                    session.resumeWriting(epoch: nil, last: 0, completion: $0)
                })
            else {
                Issue.record("it was answered")
                return
            }
        }
    }

    @Test("a closed manager says so")
    func closed() throws {
        try withWorld { world throws in
            let session = world.manager.session("s1")
            world.manager.close()
            #expect(throws: KeeperError.closed) {
                try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.get()
            }
        }
    }
}
