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
