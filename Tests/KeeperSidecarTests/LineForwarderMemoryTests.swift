import TestSupport
import Testing
import UVLoop

/// One after the other: they measure memory.
@Suite("Keeper: back-pressure", .serialized) struct LineForwarderMemoryTests {
    /// Of 10 kilobytes each, from four clients.
    private static let lineCount = 1300
    private static let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)

    /// The memory of a keeper that has started whole and served a client, in KiB: an empty line.
    private func restingMemory(of keeper: KeeperProcess, in home: KeeperHome) throws -> Int? {
        try home.until("it is ready") { keeper.log.contains("keeper ready") }
        try home.send("\n", to: keeper)
        try home.untilAtRest(keeper)
        return keeper.figures.memory?.resident
    }

    @Test("A line without end is cut off at the limit, and memory stays bounded")
    func boundsEndlessLine() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_MAX_LINE_BYTES": "1048576"])
            let before = try restingMemory(of: keeper, in: home) ?? 0
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            for _ in 0..<64 { client.write(Self.chunk) }
            try home.until("the connection is closed") { client.isEnded }
            #expect(keeper.log.contains("drop line: a line is longer than 1048576 bytes"))
            try home.send("a\n", to: keeper)
            try home.until("others go on") { home.text() == "\na\n" }
            let peak = keeper.figures.number("VmHWM:", in: "status") ?? 0
            #expect(peak < before + KeeperMemory.slack(8 << 10))
        }
    }

    @Test("While the child is stopped, lines wait in bounded memory, then the writers; at last all arrive in order")
    func boundsFrozenChild() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat >>$HOME/out")
            let before = try restingMemory(of: keeper, in: home) ?? 0
            let line = String(repeating: "l", count: 10_000)
            // The empty line has come before.
            var expected = 1
            let clients = try (0..<4).map { number in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                for count in 0..<Self.lineCount {
                    let bytes = Array("\(number) \(count) \(line)\n".utf8)
                    expected += bytes.count
                    client.write(bytes)
                }
                client.finish()
                return client
            }
            // Nothing more is taken, from anybody: the kernel's buffers and the keeper's are full.
            var last: UInt64 = .max
            try home.until("the writers wait") {
                // One that has no turn on a processor takes nothing either.
                try home.untilAtRest(keeper)
                let sent = clients.reduce(0) { $0 + $1.sentByteCount }
                defer { last = sent }
                return sent >= 32 << 20 && sent == last
            }
            // What may wait, and the kernel's buffers.
            #expect(last < 36 << 20)
            #expect(clients.allSatisfy { !$0.isEnded })
            let time = keeper.figures.processorTime
            let start = SystemClock.monotonicTime
            try home.run(for: .milliseconds(500))
            if let time { #expect(keeper.figures.processorTime! - time <= (SystemClock.monotonicTime - start) / 5) }
            try home.thawChild(of: keeper)
            try home.until("all are closed") { clients.allSatisfy { $0.isEnded && $0.error == nil } }
            try home.until("all arrive") { home.outputSize == expected }
            var next = [0, 0, 0, 0]
            for line in home.bytes()!.split(separator: 0x0A) {
                let fields = line.split(separator: 0x20, maxSplits: 2).prefix(2).map {
                    Int(String(decoding: $0, as: UTF8.self))!
                }
                guard fields[1] == next[fields[0]] else {
                    Issue.record("line \(fields) after \(next)")
                    break
                }
                next[fields[0]] += 1
            }
            #expect(next == [Int](repeating: Self.lineCount, count: 4))
            let peak = keeper.figures.number("VmHWM:", in: "status") ?? 0
            #expect(peak < before + KeeperMemory.slack(40 << 10))
        }
    }

    @Test("When the child closes its stdin, what waited is given back, and so is every connection")
    func lettingGo() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec 0<&-; exec sleep 1000")
            let before = try #require(keeper.figures.memory).own
            let descriptors = keeper.figures.descriptors.count
            let line = String(repeating: "l", count: 199_999) + "\n"
            let clients = try (0..<40).map { _ in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write(line)
                client.finish()
                return client
            }
            try home.until("all is sent") { clients.allSatisfy { $0.hasSentAll } }
            try home.untilAtRest(keeper)
            try home.thawChild(of: keeper)
            try home.until("the lines are lost") { keeper.log.contains("bytes that waited for it are lost") }
            try home.until("all are read") { clients.allSatisfy { $0.isEnded } }
            // The child's pipe too.
            try home.until("the descriptors are given back") { keeper.figures.descriptors.count == descriptors - 1 }
            try home.until("the memory is given back") {
                guard let own = keeper.figures.memory?.own else { return false }
                return own < before + KeeperMemory.slack(2 << 10)
            }
        }
    }

    @Test("Memory for lines that waited is given back when none has waited for a while, also while clients stay")
    func givesMemoryBack() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat >>$HOME/out")
            let before = try #require(try restingMemory(of: keeper, in: home))
            let line = [UInt8](repeating: UInt8(ascii: "l"), count: 1023) + [0x0A]
            let block = (0..<256).flatMap { _ in line }
            let clients = try home.clients(16, of: keeper, writing: block)
            try home.until("all is read") {
                try home.untilAtRest(keeper)
                return clients.allSatisfy { $0.hasSentAll }
            }
            let peak = try #require(keeper.figures.memory).resident
            #expect(peak - before > 2 << 10)
            try home.thawChild(of: keeper)
            try home.until("all arrive") { home.outputSize == 1 + clients.count * block.count }
            try home.until("the memory is given back") {
                guard let resident = keeper.figures.memory?.resident else { return false }
                return resident - before < 1 << 10 || KeeperMemory.slack(0) > 0
            }
            #expect(clients.allSatisfy { !$0.isEnded })
        }
    }

    @Test("Memory of long lines is given back when they have gone")
    func givesMemoryOfLongLinesBack() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat >/dev/null")
            let before = try #require(keeper.figures.memory).own
            let line = [UInt8](repeating: UInt8(ascii: "l"), count: 12 << 20) + [0x0A]
            for _ in 0..<3 { try home.send(line, to: keeper) }
            try home.until("the memory is given back") {
                guard let own = keeper.figures.memory?.own else { return false }
                return own - before < 1 << 10 || KeeperMemory.slack(0) > 0
            }
        }
    }

    @Test("A client whose lines wait for the child holds no descriptor")
    func closesWhenRead() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat >>$HOME/out")
            try home.untilAtRest(keeper)
            let descriptors = keeper.figures.descriptors.count
            // The pipe takes 64 KiB of it.
            let clients = try (0..<50).map { number in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write([UInt8](repeating: 0x0A, count: 70_000))
                client.finish()
                return client
            }
            try home.until("all are closed") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            #expect(keeper.figures.descriptors.count == descriptors)
            try home.thawChild(of: keeper)
            try home.until("all arrive") { home.bytes()?.count == 50 * 70_000 }
        }
    }

    @Test("When unfinished lines take too much together, the longest goes, and short ones stay")
    func closesLongestUnfinished() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_MAX_LINE_BYTES": "\(20 << 20)"])
            let short = try KeeperClient(to: keeper.socket, on: home.loop)
            short.write("short ")
            let hogs = try (0..<5).map { _ in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                for _ in 0..<17 { client.write(Self.chunk) }
                return client
            }
            try home.until("one is lost") {
                keeper.log.contains("drop line: unfinished lines of all connections take")
            }
            try home.until("the rest is taken") { hogs.allSatisfy { $0.hasSentAll || $0.isEnded } }
            short.write("line\n")
            try home.until("the short line arrives") { home.text() == "short line\n" }
            for hog in hogs { hog.write("\n") }
            try home.until("the one learns it") { hogs.contains { $0.isEnded } }
            try home.until("the others' lines arrive") { home.outputSize == 11 + 4 * (17 << 20) + 4 }
            #expect(hogs.count { $0.isEnded } == 1)
        }
    }

    @Test("Many clients in the middle of long lines take no more than the two bounds together")
    func boundsManyLongLines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat >/dev/null")
            let before = try #require(keeper.figures.number("VmHWM:", in: "status"))
            let line = [UInt8](repeating: UInt8(ascii: "m"), count: 2 << 20) + [0x0A]
            let clients = try home.clients(100, of: keeper, writing: line)
            try home.until("each is taken, or closed, or waits") {
                try home.untilAtRest(keeper)
                return clients.contains { $0.isEnded } && clients.contains { $0.hasSentAll && !$0.isEnded }
            }
            try home.untilAtRest(keeper)
            let peak = try #require(keeper.figures.number("VmHWM:", in: "status"))
            // 32 and 64 MiB, and what is copied from one to the other.
            #expect(peak < before + KeeperMemory.slack(128 << 10))
            for client in clients { client.close() }
        }
    }

    @Test("Memory of unfinished lines goes back to the system when they have gone, small ones' too")
    func givesBackUnfinished() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let before = try #require(try restingMemory(of: keeper, in: home))
            let clients = try home.clients(
                400, of: keeper, writing: [UInt8](repeating: UInt8(ascii: "u"), count: 60_000))
            try home.until("all are read") {
                try home.untilAtRest(keeper)
                return clients.allSatisfy { $0.hasSentAll }
            }
            #expect(try #require(keeper.figures.memory).resident - before > 16 << 10)
            for client in clients { client.close() }
            try home.until("the memory is given back") {
                guard let resident = keeper.figures.memory?.resident else { return false }
                return resident - before < 3 << 10 || KeeperMemory.slack(0) > 0
            }
        }
    }

    @Test("Thousands of clients at once are all served; beyond the bound they wait in the backlog")
    func servesThousands() throws {
        try DescriptorLimit.raise()
        guard DescriptorLimit.current.soft >= 10_000 else { return }
        try withKeeperHome { home in
            let keeper = try home.startReady()
            var clients: [KeeperClient] = []
            for number in 0..<4300 {
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write("\(number)\n")
                clients.append(client)
                // Not faster than the keeper accepts: the backlog has room for 511.
                guard number % 100 == 99 else { continue }
                try home.until("they are accepted") { keeper.figures.descriptors.count > min(clients.count, 4096) }
            }
            try home.until("all are connected") { clients.allSatisfy { $0.isConnected } }
            try home.until("the bound is reached") { keeper.figures.descriptors.count >= 4096 }
            try home.until("their lines arrive") { home.bytes()!.count { $0 == 0x0A } == 4096 }
            try home.untilAtRest(keeper)
            #expect(keeper.figures.descriptors.count < 4096 + 30)
            #expect(home.bytes()!.count { $0 == 0x0A } == 4096)
            for client in clients { client.finish() }
            try home.until("everybody is served") { clients.allSatisfy { $0.isEnded } }
            try home.until("all lines arrive") { home.bytes()!.count { $0 == 0x0A } == 4300 }
            try home.until("all are forgotten") { keeper.figures.descriptors.count < 30 }
        }
    }

    @Test("SIGTERM ends a keeper whose child is stopped and whose clients wait")
    func endsWhileBlocked() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat >>$HOME/out")
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            for _ in 0..<8 { client.write(Self.chunk + [0x0A]) }
            client.finish()
            try home.until("its bytes are on their way") { client.sentByteCount > 0 }
            try home.untilAtRest(keeper)
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            try home.until("the client knows") { client.isEnded }
            #expect(home.names.isEmpty)
        }
    }
}

enum KeeperMemory {
    /// A bound in KiB; sanitizers keep freed memory for a while.
    static func slack(_ kibibytes: Int) -> Int {
        BuiltProducts.areSanitized ? kibibytes + 1 << 20 : kibibytes
    }
}
