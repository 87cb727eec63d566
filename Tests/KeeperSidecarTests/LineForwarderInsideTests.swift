import KeeperProtocol
import Libc
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// The forwarder's states, within the test process; see ``LineForwarderTests`` for whole keepers.
@Suite("Line forwarder, from inside") struct LineForwarderInsideTests {
    @Test("A client's connection ends when it has been read to its end") func closes() throws {
        try withForwarder { world in
            let clients = (0..<3).map { _ in world.connect() }
            for (number, client) in clients.enumerated() {
                client.send("\(number)\n")
                client.finish()
            }
            try run(world.loop) { clients.allSatisfy { $0.end == .end } }
            #expect(world.forwarder.clients.isEmpty)
            try world.runReading { world.text == "0\n1\n2\n" }
        }
    }

    @Test("A client whose lines wait in the keeper holds no descriptor of it") func waits() throws {
        try withForwarder { world in
            let client = world.connect()
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 150_000) + [0x0A]
            try #require(client.send(line) == line.count)
            client.finish()
            try run(world.loop) { client.end == .end }
            #expect(world.forwarder.input.waitingByteCount > 0)
            #expect(world.forwarder.clients.isEmpty)
            try world.runReading { world.received.count == line.count }
            #expect(world.received == line)
        }
    }

    @Test("While the child is slow clients are paused at the limit, and none is forgotten") func pauses() throws {
        var limits = LineLimits(lineLength: 1000)
        limits.waitingByteCount = 100_000
        limits.turnByteCount = 10_000
        try withForwarder(limits) { world in
            let line = String(repeating: "y", count: 99) + "\n"
            let block = Array(String(repeating: line, count: 100).utf8)
            let clients = (0..<4).map { _ in world.connect() }
            var sent = [Int](repeating: 0, count: clients.count)
            try run(world.loop) {
                for (index, client) in clients.enumerated() where sent[index] < 2_000_000 {
                    // From where it stopped, so that its lines stay whole.
                    sent[index] += client.send(Array(block[(sent[index] % 100)...]))
                }
                return world.forwarder.clients.values.allSatisfy { $0.state == .paused }
            }
            // The pipe's own, one turn of each client, and the end of a line.
            let most = limits.waitingByteCount + clients.count * (limits.turnByteCount + 65536)
            #expect(world.forwarder.input.waitingByteCount <= most)
            try world.runReading {
                for (index, client) in clients.enumerated() {
                    let rest = sent[index] % 100
                    if rest != 0 { sent[index] += client.send(Array(block[rest..<100])) }
                    if sent[index] % 100 == 0 { client.finish() }
                }
                return clients.allSatisfy { $0.end == .end }
            }
            try world.runReading { world.received.count >= sent.reduce(0, +) }
            #expect(world.received.count == sent.reduce(0, +))
            #expect(world.received.split(separator: 0x0A).allSatisfy { $0.count == 99 })
        }
    }

    @Test("Where the channel's clients wait, too, greedy clients leave room to the others", arguments: [1, 3])
    func isFair(greedy count: Int) throws {
        try withForwarder { world in
            world.forwarder.isOtherDoorCrowded = { true }
            world.forwarder.hasShares = false
            let line = [UInt8](repeating: UInt8(ascii: "g"), count: 999) + [0x0A]
            let block = Array(repeatElement(line, count: 100).joined())
            let greedy = (0..<count).map { _ in world.connect() }
            var sent = [Int](repeating: 0, count: count)
            func pump() {
                for (index, client) in greedy.enumerated() {
                    while true {
                        // From where it stopped, so that its lines stay whole.
                        let taken = client.send(Array(block[(sent[index] % 1000)...]))
                        sent[index] += taken
                        guard taken > 0 else { break }
                    }
                }
            }
            try run(world.loop) {
                pump()
                return world.forwarder.clients.values.allSatisfy { $0.state == .paused }
            }
            let others = (0..<5).map { _ in world.connect() }
            for other in others { other.send("other\n") }
            // The child is slow, and never has all lines: a greedy client is as quick as the room.
            var read = 0
            try run(world.loop) {
                pump()
                world.read(65536)
                read += 65536
                return read >= 8 << 20
            }
            let lines = world.text.split(separator: "\n")
            #expect(lines.count { $0 == "other" } == 5)
            for other in others { other.finish() }
            try world.runReading {
                for (index, client) in greedy.enumerated() where sent[index] % 1000 != 0 {
                    sent[index] += client.send(Array(block[(sent[index] % 1000)..<1000]))
                }
                for (index, client) in greedy.enumerated() where sent[index] % 1000 == 0 { client.finish() }
                return (greedy + others).allSatisfy { $0.end == .end }
            }
            try world.runReading { world.received.count >= sent.reduce(0, +) + 5 * 6 }
            #expect(world.text.split(separator: "\n").allSatisfy { $0.count == 999 || $0 == "other" })
            #expect(sent.allSatisfy { $0 > 1 << 20 })
        }
    }

    @Test("More clients than the limit wait in the backlog until one has gone") func limitsClients() throws {
        var limits = LineLimits(lineLength: 1000)
        limits.clients = 2
        try withForwarder(limits) { world in
            let first = world.connect()
            let second = world.connect()
            #expect(world.forwarder.isPaused)
            var isConnected = false
            let third = try PipeStream(connectingTo: world.listener.path, on: world.loop) { stream, error in
                #expect(error == nil)
                isConnected = true
                stream.write(Array("third\n".utf8))
            }
            try run(world.loop) { isConnected && third.queuedByteCount == 0 }
            #expect(world.forwarder.clients.count == 2)
            first.finish()
            try world.runReading { world.text == "third\n" }
            #expect(world.forwarder.isPaused && world.forwarder.clients.count == 2)
            second.finish()
            try world.runReading { !world.forwarder.isPaused }
            third.close()
        }
    }

    @Test("At the end of the input what was read is written, and nothing more is read") func endsInput() throws {
        try withForwarder { world in
            let client = world.connect()
            let line = [UInt8](repeating: UInt8(ascii: "z"), count: 150_000) + [0x0A]
            try #require(client.send(line) == line.count)
            try run(world.loop) { world.forwarder.input.enqueued == line.count }
            world.forwarder.endInput()
            #expect(!world.forwarder.isServing)
            client.send("late\n")
            try world.runReading { world.childHasEnded }
            #expect(world.received == line)
        }
    }

    @Test("When nobody reads the child's stdin, that is told once, and what comes is read and dropped") func breaks()
        throws
    {
        try withForwarder { world in
            var told: [UVError] = []
            world.onStdinClosed = { told.append($0) }
            let quiet = world.connect()
            let sender = world.connect()
            world.closeChild()
            for text in ["a\nb\n", "c", "\n"] { sender.send(text) }
            sender.finish()
            try run(world.loop) { sender.end == .end }
            try run(world.loop) { told.count == 1 }
            quiet.finish()
            try run(world.loop) { quiet.end == .end }
            #expect(told.count == 1)
            #expect(world.forwarder.clients.isEmpty)
        }
    }

    @Test("A line that is too long closes its connection, the lines before it and other clients stay") func tooLong()
        throws
    {
        try withForwarder(LineLimits(lineLength: 100)) { world in
            let good = world.connect()
            let bad = world.connect()
            bad.send("before\n" + String(repeating: "b", count: 100) + "\n")
            good.send(String(repeating: "g", count: 99) + "\n")
            try world.runReading { bad.end != .wouldBlock }
            good.finish()
            try world.runReading { good.end == .end }
            #expect(world.received.split(separator: 0x0A).map(\.count).sorted() == [6, 99])
        }
    }

    @Test("Of the unfinished lines of all clients the longest is lost when they take too much") func longestGoes()
        throws
    {
        var limits = LineLimits(lineLength: 100_000)
        limits.pendingByteCount = 100_000
        try withForwarder(limits) { world in
            let long = world.connect()
            long.send([UInt8](repeating: UInt8(ascii: "l"), count: 60_000))
            try run(world.loop) { world.forwarder.pendingByteCount == 60_000 }
            let short = world.connect()
            short.send([UInt8](repeating: UInt8(ascii: "s"), count: 50_000))
            try run(world.loop) { world.forwarder.pendingByteCount == 50_000 }
            short.send("\n")
            short.finish()
            try world.runReading { short.end == .end && world.received.count >= 50_001 }
            #expect(world.received.count == 50_001)
            #expect(long.end != .wouldBlock)
        }
    }
}
