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

    @Test("Beyond the bound, too: who came first is read first when there is room again")
    func keepsOrderBeyondBound() throws {
        try withKeeperHome { home in
            // Two of the longest lines are the bound then, but never less than 32 MiB.
            let keeper = try home.startReady(child: Self.slow)
            let filler = try KeeperClient(to: keeper.socket, on: home.loop)
            let fill = [UInt8](repeating: UInt8(ascii: "f"), count: (1 << 20) - 1) + [0x0A]
            for _ in 0..<34 { filler.write(fill) }
            var last: UInt64 = .max
            try home.until("it waits") {
                try home.run(for: .milliseconds(50))
                defer { last = filler.sentByteCount }
                return last == filler.sentByteCount && last > 30 << 20
            }
            filler.finish()
            var clients: [KeeperClient] = []
            for number in 0..<40 { clients.append(try send("\(number)\n", home, keeper)) }
            try Processes.send(.continue, to: keeper.childPID!)
            try home.until("all are confirmed") { filler.isEnded && clients.allSatisfy { $0.isEnded } }
            try home.until("all arrive") { home.text()!.hasSuffix("\n39\n") }
            let short = home.text()!.split(separator: "\n").filter { $0.count < 10 }.map(String.init)
            #expect(short == (0..<40).map(String.init))
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
