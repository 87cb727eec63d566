import TestSupport
import Testing
import UVLoop

@Suite("Keeper: lines") struct LineForwarderTests {
    @Test("Lines arrive verbatim: empty ones, carriage returns, NUL, every byte, no decoding")
    func forwardsVerbatim() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let everyByte = (0...255).map { UInt8($0) }
            let bytes =
                Array("\n\r\n{\"a\":\"\u{1F600}\"}\n\n".utf8) + [0, 0xFF, 0xC3, 0x28, 0x0A] + everyByte + [0x0A]
            try home.send(bytes, to: keeper)
            try home.until("the bytes arrive") { home.bytes()?.count == bytes.count }
            #expect(home.bytes() == bytes)
        }
    }

    @Test("A last line without a newline gets one; an empty connection adds nothing")
    func completesLastLine() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            try home.send("a\nb", to: keeper)
            try home.send("", to: keeper)
            try home.send("c", to: keeper)
            try home.until("the lines arrive") { home.text() == "a\nb\nc\n" }
        }
    }

    @Test("A line in pieces waits for its end and lets others pass")
    func waitsForNewline() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let slow = try KeeperClient(to: keeper.socket, on: home.loop)
            for piece in ["f", "ir", "st"] {
                slow.write(piece)
                try home.until("it is sent") { slow.hasSentAll }
                try home.send("other\n", to: keeper)
            }
            slow.write("\n")
            slow.finish()
            try home.until("all arrive") { home.text() == "other\nother\nother\nfirst\n" }
            try home.until("it is closed") { slow.isEnded }
        }
    }

    @Test("Four clients with lines of 8 MiB each")
    func forwardsLongLines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let clients = try (0..<4).map { number in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write([UInt8](repeating: UInt8(ascii: "a") + UInt8(number), count: 8 << 20) + [0x0A])
                client.finish()
                return client
            }
            try home.until("all are closed") { clients.allSatisfy { $0.isEnded } }
            try home.until("all arrive") { home.outputSize == 4 * (8 << 20 + 1) }
            let lines = home.bytes()!.split(separator: 0x0A)
            #expect(lines.map(\.count) == [8 << 20, 8 << 20, 8 << 20, 8 << 20])
            #expect(lines.allSatisfy { line in line.first == line.last })
            #expect(Set(lines.map(\.first)).count == 4)
            #expect(!keeper.log.contains("drop line"))
        }
    }

    @Test("Lines of 32 clients at once are whole, and in order for each")
    func keepsOrder() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let padding = String(repeating: "p", count: 700)
            let clients = try (0..<32).map { _ in try KeeperClient(to: keeper.socket, on: home.loop) }
            for (number, client) in clients.enumerated() {
                for line in 0..<100 { client.write("\(number) \(line) \(padding.prefix(line * 7))\n") }
                client.finish()
            }
            try home.until("all are closed") { clients.allSatisfy { $0.isEnded } }
            try home.until("all arrive") { home.bytes()?.count { $0 == 0x0A } == 3200 }
            var next = [Int](repeating: 0, count: 32)
            for line in home.text()!.split(separator: "\n") {
                let fields = line.split(separator: " ")
                let number = Int(fields[0])!
                #expect(Int(fields[1]) == next[number])
                #expect((fields.count > 2 ? fields[2].count : 0) == next[number] * 7)
                next[number] += 1
            }
            #expect(next.allSatisfy { $0 == 100 })
            #expect(clients.allSatisfy { $0.error == nil })
        }
    }

    @Test("A line over the limit closes its own connection, with a note in the log; one at the limit passes")
    func closesOverLongLine() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_MAX_LINE_BYTES": "1000"])
            let other = try KeeperClient(to: keeper.socket, on: home.loop)
            other.write("half ")
            let long = try KeeperClient(to: keeper.socket, on: home.loop)
            long.write("before\n" + String(repeating: "x", count: 1000) + "\nafter\n")
            try home.until("the connection is closed") { long.isEnded }
            let exact = String(repeating: "y", count: 999) + "\n"
            try home.send(exact, to: keeper)
            other.write("line\n")
            other.finish()
            try home.until("the rest arrives") { home.text() == "before\n\(exact)half line\n" }
            #expect(keeper.log.contains("drop line: a line is longer than 1000 bytes"))
        }
    }

    @Test(
        "A line without a newline that reaches the limit is lost, with a word; one that ends before it arrives",
        arguments: [(998, true), (999, true), (1000, false), (1001, false)])
    func losesAtTheLimit(length: Int, isAccepted: Bool) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_MAX_LINE_BYTES": "1000"])
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            let line = String(repeating: "x", count: length)
            client.write(line)
            client.finish()
            try home.until("the connection is closed") { client.isEnded }
            try home.send("after\n", to: keeper)
            try home.until("the rest arrives") { home.text() == (isAccepted ? line + "\nafter\n" : "after\n") }
            #expect(keeper.log.contains("drop line: a line is longer than 1000 bytes") == !isAccepted)
        }
    }

    @Test("A flood of over-long lines does not flood the log, and what was left out is counted")
    func limitsDropNotes() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_MAX_LINE_BYTES": "10"])
            let start = SystemClock.monotonicTime
            for _ in 0..<50 { try home.send("0123456789", to: keeper) }
            // One a second, and what is left at the end.
            let bound = Int((SystemClock.monotonicTime - start) / .seconds(1)) + 2
            try keeper.send(.terminate)
            _ = try home.runToEnd(keeper)
            let notes = keeper.log.split(separator: "\n").filter { $0.contains("drop line") }
            #expect(notes.count <= bound)
            let counted = notes.compactMap { $0.firstMatch(of: /and (\d+) more/).flatMap { Int($0.output.1) } }
            #expect(counted.reduce(0, +) + notes.filter { $0.contains("longer") }.count == 50)
        }
    }

    @Test("Many unfinished lines with a small limit hurt nobody")
    func allowsManyUnfinishedLines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_MAX_LINE_BYTES": "64"])
            let clients = try (0..<40).map { _ in try KeeperClient(to: keeper.socket, on: home.loop) }
            for client in clients { client.write(String(repeating: "z", count: 60)) }
            try home.until("all have sent") { clients.allSatisfy { $0.hasSentAll } }
            try home.send("after\n", to: keeper)
            for client in clients { client.finish() }
            try home.until("all are closed") { clients.allSatisfy { $0.isEnded } }
            try home.until("all arrive") { home.bytes()?.count == 6 + 40 * 61 }
            #expect(!keeper.log.contains("drop line"))
        }
    }

    @Test("A client killed in the middle of a line ends its connection in order: the fragment is its last line")
    func forwardsFragment() throws {
        // No client can reset a connection that the keeper never writes to: the kernel resets only for unread bytes.
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            client.write("whole\nfrag")
            try home.until("it is sent") { client.hasSentAll }
            client.close()
            try home.until("both arrive") { home.text() == "whole\nfrag\n" }
        }
    }

    @Test(
        "Clients that come and go without a word leave nothing behind, a stopped child or not",
        arguments: [true, false])
    func forgetsSilentClients(isFrozen: Bool) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: isFrozen ? "kill -STOP $$; exec cat >>$HOME/out" : "exec cat >>$HOME/out")
            if isFrozen {
                // Its start has descriptors of its own, and on a busy machine looks like rest.
                try home.until("it is ready") { keeper.log.contains("keeper ready") }
                try home.untilAtRest(keeper)
                let idle = keeper.figures.descriptors.count
                // More than the pipe takes, less than makes the keeper stop reading.
                let bytes = [UInt8](repeating: 0x0A, count: 65536 + 1000)
                let writer = try KeeperClient(to: keeper.socket, on: home.loop)
                writer.write(bytes)
                writer.finish()
                try home.until("it is sent") { writer.hasSentAll }
                try home.until("it is read") { keeper.figures.descriptors.count > idle || idle == 0 }
                try home.untilAtRest(keeper)
            }
            let before = keeper.figures.descriptors.count
            for _ in 0..<50 {
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.finish()
                try home.until("it is closed") { client.isEnded }
            }
            try home.until("they are forgotten") { keeper.figures.descriptors.count <= before }
        }
    }

    @Test("The keeper says nothing, to whoever connects, sends or goes wrong")
    func saysNothing() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_MAX_LINE_BYTES": "100"])
            let texts = ["", "a line\n", "hello {}\nstatus\n", String(repeating: "x", count: 1000)]
            let clients = try texts.map { text in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write(text)
                client.finish()
                return client
            }
            try home.until("each is closed") { clients.allSatisfy(\.isEnded) }
            for (client, text) in zip(clients, texts) { #expect(client.receivedByteCount == 0, "\(text.prefix(20))") }
            #expect(clients.allSatisfy { $0.connectError == nil })
        }
    }
}
