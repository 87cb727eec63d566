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
