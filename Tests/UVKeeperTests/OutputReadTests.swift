import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// A session's output, read from keepers that live and from what they leave.
@Suite struct OutputReadTests {
    @Test("a reader gets the answer to its line, from the start, the end and an offset")
    func starts() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let session = world.manager.session("s1")
            let all = ToldOutput()
            all.start(session, from: .start)
            #expect(try world.outcome("one", "s1") == .written)
            try world.eventually { all.text == "one\n" }
            let later = ToldOutput()
            later.start(session, from: .end)
            try world.eventually { later.read?.position[.out] == 4 }
            let part = ToldOutput()
            part.start(session, from: .offsets([.out: 2], epoch: try #require(session.record?.epoch)))
            let tail = ToldOutput()
            tail.start(session, from: .last(3), follows: false)
            try world.eventually { tail.last != nil }
            #expect(tail.text == "ne\n")
            guard case .finished(let offsets) = tail.last else {
                Issue.record("\(String(describing: tail.last))")
                return
            }
            #expect(offsets == [.out: 4])
            #expect(try world.outcome("two", "s1") == .written)
            try world.eventually { all.text == "one\ntwo\n" && later.text == "two\n" && part.text == "e\ntwo\n" }
            for told in [all, later, part] {
                told.read?.cancel()
                told.read?.cancel()
            }
            #expect(try world.outcome("three", "s1") == .written)
            let last = ToldOutput()
            last.start(session, from: .last(6))
            try world.eventually { last.text == "three\n" }
            #expect(all.text == "one\ntwo\n" && all.last == nil)
            last.read?.cancel()
        }
    }

    @Test("a socket that somebody has removed is waited for, of a keeper that has a record")
    func removedSocket() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("echo precious; exec cat")
            let path = world.paths.channel(for: "s1")
            try Files.rename(path, to: path + ".gone")
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            try world.pass(.milliseconds(400))
            #expect(told.last == nil)
            try Files.rename(path + ".gone", to: path)
            try world.eventually { told.text == "precious\n" }
            try Processes.send(.terminate, to: keeper.pid)
            try world.eventually { told.last != nil }
            #expect(told.exit?.reason == .keeperSignalled)
        }
    }

    @Test("both streams can be read")
    func streams() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("echo o; echo e >&2; exec sleep 1000")
            let told = ToldOutput()
            told.start(world.manager.session("s1"), [.out, .err], from: .start)
            try world.eventually { told.text == "o\n" && told.bytes[.err] == Array("e\n".utf8) }
            told.read?.cancel()
        }
    }

    @Test("a broken connection costs no byte, and doubles none")
    func goesOn() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let proxy = try ChannelProxy("s1", in: world)
            let session = world.manager.session("s1")
            let told = ToldOutput()
            told.start(session, from: .start)
            var expected = ""
            for number in 0..<10 {
                let line = String(repeating: "\(number)", count: 10_000)
                expected += line + "\n"
                #expect(
                    try world.result { session.write(line, deadline: .untilSessionEnds, completion: $0) } == .written)
                if number % 3 == 0 { try world.eventually { told.text.count > number * 10_001 } }
                proxy.cut()
            }
            try world.eventually { told.text.utf8.count >= expected.utf8.count }
            #expect(told.text == expected)
            told.read?.cancel()
        }
    }

    @Test("a server that starts again reads on where the one before it stopped")
    func otherManager() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            #expect(try world.outcome("one", "s1") == .written)
            try world.eventually { told.text == "one\n" }
            let (position, epoch) = (told.read!.position, told.read!.positionEpoch!)
            world.manager.close()
            try world.eventually { told.last != nil }
            let other = try world.otherManager()
            let session = other.session("s1")
            #expect(try world.result { session.write("two", completion: $0) } == .written)
            let next = ToldOutput()
            next.start(session, from: .offsets(position, epoch: epoch))
            try world.eventually { next.text == "two\n" }
            #expect(next.starts == [.out: 4])
            next.read?.cancel()
        }
    }

    @Test("a reader that pauses reads on where it was, or meets a gap that is told")
    func pauses() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("read x; head -c 5000000 /dev/zero; echo; read x; exit 0")
            let session = world.manager.session("s1")
            let told = ToldOutput()
            told.start(session, from: .start)
            try world.eventually { told.read?.position[.out] == 0 }
            told.read?.pause()
            #expect(try world.outcome("go", "s1") == .written)
            var end: UInt64 = 0
            while end < 5_000_001 { end = try world.result { session.status($0) }.get().output?.out.end ?? 0 }
            #expect(told.bytes.isEmpty)
            told.read?.resume()
            try world.eventually { told.read?.position[.out] == 5_000_001 }
            let missing = told.gaps.reduce(0) { $0 + $1.count }
            #expect(missing > 0)
            #expect(missing + (told.bytes[.out]?.count ?? 0) == 5_000_001)
            told.read?.cancel()
        }
    }

    @Test("an offset of another life of the session is an error")
    func otherEpoch() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .offsets([.out: 0], epoch: "0123456789abcdef"))
            try world.eventually { told.last != nil }
            guard case .failed(.sessionBeganAnew("s1")) = told.last else {
                Issue.record("\(String(describing: told.last))")
                return
            }
        }
    }

    @Test("an offset behind the end is an error, but not where the end is not known: a disk may not have taken all")
    func beyondEnd() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("echo one; exec cat")
            let whole = ToldOutput()
            whole.start(world.manager.session("s1"), from: .start)
            try world.eventually { whole.text == "one\n" }
            whole.read?.cancel()
            let session = world.manager.session("s1")
            let epoch = try #require(session.record?.epoch)
            func last(_ offset: UInt64) throws -> OutputEvent? {
                let told = ToldOutput()
                told.start(session, from: .offsets([.out: offset], epoch: epoch), follows: false)
                try world.eventually { told.last != nil }
                return told.last
            }
            let live = try last(5)
            guard case .failed(.offsetBeyondEnd("s1", .out, offset: 5, end: 4)) = live else {
                Issue.record("\(String(describing: live))")
                return
            }
            world.own(try world.childPID("s1"))
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { !keeper.isRunning }
            let lost = try last(5)
            guard case .ended(nil) = lost else {
                Issue.record("\(String(describing: lost))")
                return
            }
        }
    }

    @Test("a link in a segment's place is a gap, whatever it leads to")
    func followsNoLink() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("read x; echo out; exit 3")
            try world.eventually { world.text("s/keeper-s1.log").contains("keeper ready") }
            #expect(try world.outcome("go", "s1") == .written)
            try world.eventually { !keeper.isRunning }
            let directory = world.paths.directory
            let segment = try #require(try Files.names(inDirectory: directory).first { $0.contains(".out.") })
            try Files.rename("\(directory)/\(segment)", to: "\(directory)/elsewhere")
            try Posix.makeSymbolicLink(at: "\(directory)/\(segment)", to: "\(directory)/elsewhere")
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            try world.eventually { told.last != nil }
            #expect(told.bytes.isEmpty && told.gaps == [0..<4])
        }
    }
}
