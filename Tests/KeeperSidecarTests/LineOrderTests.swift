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
            // More than the keeper holds for the child; each of them fits the socket's buffer, so that all can be sent.
            let fill = String(repeating: "f", count: 150_000)
            for number in 0..<300 {
                clients.append(try send(number < 260 ? "\(fill) \(number)\n" : "\(number)\n", home, keeper))
            }
            #expect(keeper.figures.memory.map { $0.own < before + KeeperMemory.slack(36 << 10) } ?? true)
            try Processes.send(.continue, to: keeper.childPID!)
            try home.until("all are confirmed") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            try home.until("all arrive") { home.bytes()!.suffix(5) == Array("\n299\n".utf8)[...] }
            let order = home.bytes()!.split(separator: 0x0A).map { line in
                Int(String(decoding: line.suffix(3).filter { $0 != 0x20 && $0 != 0x66 }, as: UTF8.self))
            }
            #expect(order == (0..<300).map { $0 })
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
