import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Channel: last words") struct ChannelPartingTests {
    private static let line = String(repeating: "x", count: 1000)

    /// A client that reads nothing, whose connection is full of acknowledgements; the child has all its lines.
    private func fill(
        _ home: KeeperHome, _ keeper: KeeperProcess, _ other: ChannelConnection,
    ) throws -> (client: ChannelConnection, last: UInt64) {
        let client = try home.channel(of: keeper)
        client.send("writer w\n")
        _ = try client.next()
        client.pause()
        // Each acknowledgement takes most of a kilobyte of a socket's buffer of 208 KiB.
        for number: UInt64 in 1...600 {
            client.write(number, "a")
            #expect(try other.isAnswered())
        }
        try home.until("all lines are taken") { try other.status().linesIn == 600 }
        return (client, 600)
    }

    @Test("A client that sends on, and reads later, has its last acknowledgement, the first lost line and the exit")
    func tellsExit() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat >/dev/null")
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let other = try home.channel(of: keeper)
            var (client, last) = try fill(home, keeper, other)
            try Processes.send(.stop, to: keeper.childPID!)
            for _ in 0..<4000 {
                last += 1
                client.write(last, Self.line)
            }
            try home.until("the room is full") { try other.status().queuedBytes > 250_000 }
            other.send("signal KILL\n")
            _ = try home.runToEnd(keeper)
            try client.resume()
            let rest = try client.rest()
            let exit = try #require(keeper.record?.exit)
            let acknowledged = try #require(exit.writers.first?.acknowledged)
            #expect(acknowledged >= 600)
            #expect(rest.contains(.acknowledged(acknowledged)) && rest.last == .exit(exit))
            guard case .error(let error)? = rest.dropLast().last else { return #expect(Bool(false), "no error") }
            #expect(error.code == .inputClosed && error.sequence == acknowledged + 1)
        }
    }

    @Test("A client that sends on, and reads later, sees why its connection has ended")
    func tellsError() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat >/dev/null")
            let other = try home.channel(of: keeper)
            let (client, last) = try fill(home, keeper, other)
            client.send("write \(last + 2) 1\na\n")
            client.send([UInt8](repeating: UInt8(ascii: "x"), count: 4 << 20))
            try home.until("the connection ends") { try other.status().clients.channel == 1 }
            try client.resume()
            let rest = try client.rest()
            guard case .error(let error)? = rest.last else { return #expect(Bool(false), "no error") }
            #expect(error.code == .sequence && error.sequence == last + 1)
            #expect(rest.contains(.acknowledged(last)))
        }
    }

    @Test(
        "Lines before an error that closes are acknowledged before it, though they came with it",
        arguments: ["write 3 1\nb\n", "write 2 99999999\n", "write 2\n", "write 2 3\nb\nping\n"])
    func acknowledgesFirst(bad: String) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let client = try home.channel(of: keeper)
            client.send("write 1 1\na\n\(bad)")
            let rest = try client.rest()
            #expect(rest.count == 2 && rest.first == .acknowledged(1), "\(rest)")
            guard case .error(let error)? = rest.last else { return #expect(Bool(false), "no error") }
            #expect(error.code.closes)
        }
    }
}
