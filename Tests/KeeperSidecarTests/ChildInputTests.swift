import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Channel: the child's input") struct ChildInputTests {
    private static let stopped = "kill -STOP $$; exec cat >>$HOME/out"
    /// Lines of 1,000 bytes and a newline.
    private static let line = String(repeating: "x", count: 1000)

    private func write(_ numbers: ClosedRange<UInt64>, to client: ChannelConnection) {
        for number in numbers { client.write(number, Self.line) }
    }

    @Test("While the child does not read, 256 KiB are taken; status, labels and signals go on, and then all arrives")
    func fillsUp() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stopped)
            let writer = try home.channel(of: keeper)
            writer.send("writer w\n")
            _ = try writer.next()
            write(1...2000, to: writer)
            let other = try home.channel(of: keeper)
            try home.until("the room is full") { try other.status().queuedBytes > 261_000 }
            let status = try other.status()
            #expect(status.queuedBytes <= 262_144 && status.blockedSince != nil)
            let state = try #require(status.writers.first)
            #expect(state.last < 2000 && state.acknowledged < state.last && state.connected == true)
            #expect(status.linesIn == state.last && status.bytesIn == 1001 * state.last)
            other.send("label {\"a\":\"b\"}\nsignal CONT\nping\n")
            #expect(try [other.next(), other.next(), other.next()] == [.ok(.label), .ok(.signal), .pong])
            #expect(try writer.acknowledges(2000))
            try home.until("all arrives") { home.outputSize >= 2000 * 1001 }
            let after = try other.status()
            #expect(after.queuedBytes == 0 && after.blockedSince == nil && after.labels == ["a": "b"])
        }
    }

    @Test(
        "A line longer than the room has its turn beside clients that write short ones", arguments: [200_000, 300_000])
    func isFair(longest: Int) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stopped)
            let pumps = try (0..<3).map { _ in try home.channel(of: keeper) }
            for pump in pumps { write(1...4000, to: pump) }
            let other = try home.channel(of: keeper)
            try home.until("the room is full") { try other.status().queuedBytes > 261_000 }
            let client = try home.channel(of: keeper)
            client.write(1, String(repeating: "L", count: longest))
            try home.thawChild(of: keeper)
            #expect(try client.acknowledges(1))
            for pump in pumps { #expect(try pump.acknowledges(4000)) }
            try home.until("all arrive") { home.outputSize >= 3 * 4000 * 1001 + longest + 1 }
            let place = try #require(home.bytes()?.firstIndex(of: UInt8(ascii: "L")))
            #expect(place < 6_000_000, "half of the short lines come after it")
        }
    }

    @Test("A line longer than the room is taken when nothing waits, and lines of two doors keep their order")
    func takesLongLines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stopped)
            let writer = try home.channel(of: keeper)
            let long = String(repeating: "L", count: 3_000_000)
            writer.write(1, long)
            try home.until("it is taken") { try writer.status().linesIn == 1 }
            let raw = try KeeperClient(to: keeper.socket, on: home.loop)
            raw.write("raw\n")
            raw.finish()
            let other = try home.channel(of: keeper)
            try home.until("the raw line is taken") { try other.status().linesIn == 2 }
            try home.thawChild(of: keeper)
            #expect(try writer.acknowledges(1))
            writer.write(2, "last")
            #expect(try writer.acknowledges(2))
            try home.until("all arrive") { home.outputSize >= 3_000_010 }
            #expect(home.text() == "\(long)\nraw\nlast\n")
        }
    }

    @Test(
        "A child that closes its stdin costs the lines that its pipe does not have: each writer is told the first, once"
    )
    func closes() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec <&-; exec sleep 1000")
            let writer = try home.channel(of: keeper)
            writer.send("writer w\n")
            _ = try writer.next()
            write(1...100, to: writer)
            let other = try home.channel(of: keeper)
            try home.until("all are taken") { try other.status().linesIn == 100 }
            let nameless = try home.channel(of: keeper)
            write(1...50, to: nameless)
            try home.until("all are taken") { try other.status().linesIn == 150 }
            try home.thawChild(of: keeper)
            let (acknowledged, error) = try #require(try writer.errorAfterAcknowledgements())
            #expect(acknowledged > 0 && error.code == .inputClosed && error.sequence == acknowledged + 1)
            #expect(try nameless.nextError()! == (.inputClosed, 1))
            write(101...102, to: writer)
            #expect(try writer.isAnswered(), "it is told once")
            // A new connection of the same name, and one that never had a line.
            let again = try home.channel(of: keeper)
            again.send("writer w {\"last\":102}\n")
            #expect(try again.next() == .writer(WriterName("w")!, last: 100, acknowledged: acknowledged))
            #expect(try again.nextError()! == (.inputClosed, acknowledged + 1))
            let fresh = try home.channel(of: keeper)
            write(1...2, to: fresh)
            #expect(try fresh.nextError()! == (.inputClosed, 1))
            #expect(try fresh.isAnswered())
            #expect(keeper.exitStatus == nil)
            #expect(try fresh.status().queuedBytes == 0)
        }
    }

    @Test(
        "After eof what was taken is still written; a line that is refused is told when it is clear what becomes of those before"
    )
    func endsInOrder() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stopped)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let writer = try home.channel(of: keeper)
            writer.send("writer w\n")
            _ = try writer.next()
            write(1...100, to: writer)
            let other = try home.channel(of: keeper)
            try home.until("all are taken") { try other.status().linesIn == 100 }
            other.send("eof\n")
            #expect(try other.next() == .ok(.endInput))
            other.write(1, "no")
            #expect(try other.nextError()! == (.inputClosed, 1))
            write(101...102, to: writer)
            writer.send("eof\n")
            while try writer.next() != .ok(.endInput) {}
            try home.thawChild(of: keeper)
            let rest = try writer.rest().filter {
                if case .acknowledged(let number) = $0 { number == 100 } else { true }
            }
            #expect(rest.count == 3 && rest.first == .acknowledged(100))
            guard case .error(let error)? = rest.dropFirst().first, case .exit(let exit)? = rest.last else {
                return #expect(Bool(false), "\(rest)")
            }
            #expect(error.code == .inputClosed && error.sequence == 101)
            #expect(exit.reason == .exited && exit.writers.first?.acknowledged == 100)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.outputSize == 100 * 1001)
        }
    }

    @Test("Lines that are lost after eof are told before the one that was refused")
    func losesAfterEnd() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stopped)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let writer = try home.channel(of: keeper)
            write(1...100, to: writer)
            let other = try home.channel(of: keeper)
            try home.until("all are taken") { try other.status().linesIn == 100 }
            other.send("eof\n")
            _ = try other.next()
            write(101...101, to: writer)
            writer.send("signal KILL\n")
            var acknowledged: UInt64 = 0
            var rest = try writer.rest()
            while case .acknowledged(let number)? = rest.first {
                acknowledged = number
                rest.removeFirst()
            }
            #expect(rest.first == .ok(.signal))
            guard case .error(let error)? = rest.dropFirst().first, case .exit(let exit)? = rest.last else {
                return #expect(Bool(false), "\(rest)")
            }
            #expect(rest.count == 3)
            #expect(error.code == .inputClosed && error.sequence == acknowledged + 1 && acknowledged < 100)
            #expect(exit.reason == .exited && exit.signal == "KILL" && exit.inputUnread! >= Int(acknowledged) * 1001)
        }
    }

    @Test("A client that waits for room is told at eof that there never is any")
    func wakesWaiting() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stopped)
            let first = try home.channel(of: keeper)
            first.send("writer first\n")
            _ = try first.next()
            first.write(1, String(repeating: "x", count: 400_000))
            let other = try home.channel(of: keeper)
            try home.until("it is taken") { try other.status().linesIn == 1 }
            let waiting = try home.channel(of: keeper)
            write(1...1, to: waiting)
            waiting.send("ping\n")
            try home.untilAtRest(keeper)
            #expect(waiting.messages.isEmpty, "it waits, with what stands behind")
            other.send("eof\n")
            #expect(try waiting.nextError()! == (.inputClosed, 1))
            #expect(try waiting.next() == .pong)
        }
    }

    @Test(
        "A client that writes and never reads stops nothing, itself included; one that asks and never reads is not read"
    )
    func keepsUnread() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let writer = try home.channel(of: keeper)
            writer.pause()
            let count: UInt64 = 20_000
            for number in 1...count { writer.write(number, "\(number)") }
            let asking = try home.channel(of: keeper)
            asking.pause()
            asking.send(String(repeating: "status\n", count: 200_000))
            let other = try home.channel(of: keeper)
            try home.until("all is taken") { try other.status().linesIn == count }
            #expect(!asking.hasSentAll, "it is not read on")
            try writer.resume()
            #expect(try writer.acknowledges(count))
            #expect(try other.isAnswered())
        }
    }
}
