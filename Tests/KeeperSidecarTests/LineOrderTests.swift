import TestSupport
import Testing
import UVLoop

@Suite("Keeper: order under back-pressure", .serialized) struct LineOrderTests {
    private static let slow = "kill -STOP $$; exec cat >>$HOME/out"

    /// One client after the other: each sends, finishes, and is left behind.
    private func send(_ line: String, _ home: KeeperHome, _ keeper: KeeperProcess) throws -> KeeperClient {
        let client = try KeeperClient(to: keeper.socket, on: home.loop)
        client.write(line)
        client.finish()
        try home.until("it is sent") { client.hasSentAll }
        return client
    }

    @Test("While the child does not read, lines of clients that come one after the other keep their order")
    func keepsOrder() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.slow)
            var expected = ""
            var clients: [KeeperClient] = []
            for number in 0..<60 {
                let line = number % 7 == 0 ? String(repeating: "L", count: 150_000) + "\(number)\n" : "\(number)\n"
                expected += line
                clients.append(try send(line, home, keeper))
            }
            try Processes.send(.continue, to: keeper.childPID!)
            try home.until("all are confirmed") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            try home.until("all arrive") { home.outputSize == expected.utf8.count }
            #expect(home.text() == expected)
        }
    }

    @Test("Beyond the bound, too: who came first is read first when there is room again, and memory is given back")
    func keepsOrderBeyondBound() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.slow)
            let before = keeper.figures.memory?.own ?? 0
            var clients: [KeeperClient] = []
            // A mebibyte each, more than the keeper holds for the child; the socket's buffer holds less than one.
            for number in 0..<40 {
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write([UInt8](repeating: UInt8(ascii: "f"), count: 1 << 20) + Array(" \(number)\n".utf8))
                client.finish()
                clients.append(client)
                // Whole, while there is room: a client in the middle of a line is read on.
                if number < 33 { try home.until("it is read") { client.hasSentAll } }
            }
            var last: UInt64 = 0
            try home.until("the others wait") {
                try home.run(for: .milliseconds(50))
                defer { last = clients.reduce(0) { $0 + $1.sentByteCount } }
                return last == clients.reduce(0) { $0 + $1.sentByteCount } && last > 32 << 20
            }
            #expect(last < 39 << 20)
            for number in 40..<80 { clients.append(try send("\(number)\n", home, keeper)) }
            try Processes.send(.continue, to: keeper.childPID!)
            try home.until("all are confirmed") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            try home.until("all arrive") { home.bytes()!.suffix(4) == Array("\n79\n".utf8)[...] }
            let order = home.bytes()!.split(separator: 0x0A).map {
                Int(String(decoding: $0.suffix(2).filter { $0 != 0x20 }, as: UTF8.self))
            }
            #expect(order == (0..<80).map { $0 })
            guard before > 0 else { return }
            try home.until("the memory is given back") {
                keeper.figures.memory!.own < before + KeeperMemory.slack(2 << 10)
            }
        }
    }

    @Test("A long line to a child that does not read is taken at once, and never in pieces")
    func takesLongLine() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.slow)
            var expected = ""
            for letter in ["f", "f", "B", "C"] {
                let line = String(repeating: letter, count: letter == "f" ? 120_000 : 1_000_000) + "\n"
                expected += line
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write(line)
                try home.until("the keeper has it") { client.hasSentAll }
                // As a client does that gives up waiting: both directions are gone.
                client.close()
            }
            try Processes.send(.continue, to: keeper.childPID!)
            try home.until("all arrive") { home.outputSize == expected.utf8.count }
            #expect(home.text() == expected)
        }
    }
}
