import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Channel: requests in a turn") struct RequestTurnsTests {
    /// A keeper that is frozen, with two clients: what they send meanwhile is there at once.
    private func withFrozenKeeper(
        _ body: (_ home: KeeperHome, _ thaw: () throws -> Void, ChannelConnection, ChannelConnection) throws -> Void,
    ) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let (first, second) = (try home.channel(of: keeper), try home.channel(of: keeper))
            let pid = keeper.pid
            try Processes.send(.stop, to: pid)
            try home.until("the keeper stops") { ProcessFigures(of: pid).isStopped ?? true }
            try body(home, { try Processes.send(.continue, to: pid) }, first, second)
        }
    }

    @Test(
        "A client's requests wait for later turns when they are many; another client has its answer before the last",
        arguments: ["ping", "signal CONT", "nope", "writer .", "label {\"a\":1}"])
    func takesTurns(request: String) throws {
        try withFrozenKeeper { _, thaw, crowd, other in
            crowd.send(String(repeating: "\(request)\n", count: 1000) + "write 1 1\na\nping\n")
            other.send("status\n")
            try thaw()
            guard case .status(let status) = try other.next() else { return #expect(Bool(false), "no status") }
            #expect(status.linesIn == 0)
            var answers = 0
            while answers < 1001 {
                if case .acknowledged = try crowd.next() { continue }
                answers += 1
            }
            #expect(try other.status().linesIn == (request == "writer ." ? 0 : 1))
        }
    }

    @Test("Many clients with few requests each have their turns, too")
    func sharesTurns() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let clients = try (0..<100).map { _ in try home.channel(of: keeper) }
            let other = try home.channel(of: keeper)
            let pid = keeper.pid
            try Processes.send(.stop, to: pid)
            try home.until("the keeper stops") { ProcessFigures(of: pid).isStopped ?? true }
            for client in clients { client.send(String(repeating: "ping\n", count: 30) + "write 1 1\na\n") }
            other.send("status\n")
            try Processes.send(.continue, to: pid)
            guard case .status(let status) = try other.next() else { return #expect(Bool(false), "no status") }
            #expect(status.linesIn < 100)
            for client in clients {
                for _ in 0..<30 { #expect(try client.next() == .pong) }
                #expect(try client.acknowledges(1))
            }
        }
    }

    @Test("A client that has gone is not served any more once an answer cannot be written")
    func dropsGone() throws {
        try withFrozenKeeper { home, thaw, gone, other in
            gone.send("ping\nwrite 1 1\na\n")
            gone.close()
            home.loop.run(.noWait)
            try thaw()
            try home.until("it is dropped") { try other.status().clients.channel == 1 }
            #expect(try other.status().linesIn == 0)
        }
    }
}
