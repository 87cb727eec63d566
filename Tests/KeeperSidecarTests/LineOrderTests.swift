import Libc
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
            try home.thawChild(of: keeper)
            try home.until("all are read") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            try home.until("all arrive") { home.outputSize == expected.utf8.count }
            #expect(home.text() == expected)
        }
    }

    @Test("Beyond the bound a client that gives up leaves no fragment, and one that has finished leaves its last line")
    func dropsFragmentBeyondBound() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.slow)
            let fillers = try fill(home, keeper)
            let early = try send("early", home, keeper)
            for _ in 0..<3 {
                let impatient = try KeeperClient(to: keeper.socket, on: home.loop)
                impatient.write("whole\n" + String(repeating: "B", count: 900_000) + "\n")
                try home.until("its buffer is full") { impatient.sentByteCount > 150_000 }
                impatient.close()
            }
            // Nearly as much, and all of it.
            let late = try KeeperClient(to: keeper.socket, on: home.loop)
            late.write(String(repeating: "L", count: 100_000))
            try home.until("it is sent") { late.hasSentAll }
            late.close()
            let last = try send("last\n", home, keeper)
            try home.thawChild(of: keeper)
            try home.until("all are read") { fillers.allSatisfy { $0.isEnded } && early.isEnded && last.isEnded }
            try home.until("all arrive") { home.text()?.hasSuffix("\nlast\n") == true }
            let lines = home.text()!.split(separator: "\n").filter { !$0.hasPrefix("f") }
            #expect(lines.map(\.count) == [5, 5, 5, 5, 100_000, 4])
            #expect(keeper.log.contains("drop line: a client gave up after"))
        }
    }

    /// Clients with more lines than the keeper holds for the child; each fits the socket's buffer, so that all is sent.
    private func fill(_ home: KeeperHome, _ keeper: KeeperProcess) throws -> [KeeperClient] {
        let line = String(repeating: "f", count: 150_000)
        return try (0..<260).map { try send("\(line) \($0)\n", home, keeper) }
    }

    @Test("Beyond the bound, too: who came first is read first when there is room again, and memory is given back")
    func keepsOrderBeyondBound() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.slow)
            let before = keeper.figures.memory?.own ?? 0
            var clients = try fill(home, keeper)
            for number in 260..<300 { clients.append(try send("\(number)\n", home, keeper)) }
            #expect(keeper.figures.memory.map { $0.own < before + KeeperMemory.slack(36 << 10) } ?? true)
            try home.thawChild(of: keeper)
            try home.until("all are read") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            let count = 260 * 150_001 + (0..<300).reduce(0) { $0 + "\($1)\n".utf8.count }
            try home.until("all arrive") { home.outputSize == count }
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

    @Test("Who comes when there is some room again is read behind those who waited for it")
    func overtakesNobody() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "kill -STOP $$; head -c 2000000 >>$HOME/out; kill -STOP $$; exec cat >>$HOME/out")
            let fill = String(repeating: "f", count: 150_000)
            var clients = try (0..<250).map { try send("\(fill) \($0)\n", home, keeper) }
            try home.untilAtRest(keeper)
            try home.thawChild(of: keeper)
            try home.until("the child has read some of it") { home.outputSize == 2_000_000 }
            clients += try (250..<300).map { try send("\($0)\n", home, keeper) }
            try home.untilAtRest(keeper)
            try home.thawChild(of: keeper)
            try home.until("all are read") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            let count = 250 * 150_001 + (0..<300).reduce(0) { $0 + "\($1)\n".utf8.count }
            try home.until("all arrive") { home.outputSize == count }
            let order = home.bytes()!.split(separator: 0x0A).map { line in
                Int(String(decoding: line.suffix(3).filter { $0 != 0x20 && $0 != 0x66 }, as: UTF8.self))
            }
            #expect(order == (0..<300).map { $0 })
        }
    }

    @Test("A lone client has all the memory there is for lines when the child does not read")
    func takesManyLines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.slow)
            let lines = (0..<4096).map { "\($0)" + String(repeating: "x", count: 1000) + "\n" }.joined()
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            client.write(lines)
            try home.until("the keeper has them") { client.hasSentAll }
            client.close()
            try home.thawChild(of: keeper)
            try home.until("all arrive") { home.outputSize == lines.utf8.count }
            #expect(home.text() == lines)
        }
    }

    @Test("What a client sent before it closed goes first, however much its socket holds", arguments: [false, true])
    func readsClosedToTheEnd(isKeeperStopped: Bool) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.slow)
            if isKeeperStopped { try keeper.send(.stop) }
            let lines = (0..<8000).map { "\($0)" + String(repeating: "x", count: 90) + "\n" }.joined()
            let first = try KeeperClient(to: keeper.socket, on: home.loop)
            var size: Int32 = 4 << 20
            // As much as the system allows.
            _ = setsockopt(
                try #require(first.descriptor), SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
            first.write(lines)
            try home.until("it is sent, or waits") { first.sentByteCount > 150_000 }
            let sent = String(decoding: lines.utf8.prefix(Int(first.sentByteCount)), as: UTF8.self)
            first.close()
            let last = try send("last\n", home, keeper)
            if isKeeperStopped { try keeper.send(.continue) }
            try home.thawChild(of: keeper)
            try home.until("the last one arrives") { last.isEnded }
            try home.until("it is there") { home.text()?.hasSuffix("last\n") == true }
            // A piece at the end of what it sent is dropped, or counts as a line; nothing else is between.
            let whole = sent.prefix(through: sent.lastIndex(of: "\n")!)
            #expect(home.text()!.hasPrefix(whole))
            #expect(home.text()!.count { $0 == "\n" } <= whole.count { $0 == "\n" } + 2)
        }
    }

    @Test("A client that gave up before it was first read leaves no fragment")
    func dropsFragmentOfFirstRead() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            try keeper.send(.stop)
            let impatient = try KeeperClient(to: keeper.socket, on: home.loop)
            impatient.write("whole\n" + String(repeating: "B", count: 900_000) + "\n")
            try home.until("its buffer is full") { impatient.sentByteCount > 150_000 }
            impatient.close()
            try keeper.send(.continue)
            let last = try send("last\n", home, keeper)
            try home.until("the last one is read") { last.isEnded }
            try home.until("it arrives") { home.text()?.hasSuffix("last\n") == true }
            #expect(home.text() == "whole\nlast\n")
            #expect(keeper.log.contains("drop line: a client gave up after"))
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
            try home.thawChild(of: keeper)
            try home.until("all arrive") { home.outputSize == expected.utf8.count }
            #expect(home.text() == expected)
        }
    }
}
