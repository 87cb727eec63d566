import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Channel: connections") struct ChannelDoorTests {
    @Test("The hello names the session, its epoch, the verbs and the limits; the socket is the user's alone")
    func greets() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"])
            let hello = try home.channel(of: keeper).hello!
            #expect(hello.session == "s" && hello.protocolVersion == 1 && SessionRecord.isEpoch(hello.epoch))
            #expect(hello.verbs == ["writer", "write", "read", "status", "eof", "signal", "stop", "label", "ping"])
            #expect(hello.maximumLineLength == 16_777_216)
            #expect(hello.output == .init(out: .init(start: 0, end: 0), err: .init(start: 0, end: 0)))
            let status = try Files.status(of: keeper.channel, followingLinks: false)
            #expect(status.kind == .socket && status.permissions == 0o600)
        }
    }

    @Test(
        "Of 1,024 connections each is served; one more is busy and closed, until one goes; the raw socket has its own")
    func limitsConnections() throws {
        try DescriptorLimit.raise(upTo: 4096)
        guard DescriptorLimit.current.soft >= 2048 else {
            return withKnownIssue("skipped: there are not enough descriptors") { Issue.record() }
        }
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let clients = try (0..<ChannelConstants.connections).map { _ in try home.channel(of: keeper) }
            let another = try home.bareChannel(of: keeper)
            #expect(try another.nextError()?.code == .busy)
            #expect(try another.rest().isEmpty)
            try home.send("raw\n", to: keeper)
            let last = clients.last!
            #expect(try last.status().clients.channel == ChannelConstants.connections)
            last.write(1, "line")
            #expect(try last.acknowledges(1))
            clients[0].close()
            try home.until("it has gone") { try last.status().clients.channel < ChannelConstants.connections }
            #expect(try home.channel(of: keeper).isAnswered())
            try home.until("the lines arrive") { home.outputSize == 9 }
        }
    }

    @Test("Connections that are refused have descriptors too: those that are kept back for output and record stay so")
    func countsRefused() throws {
        try DescriptorLimit.raise(upTo: 4096)
        guard DescriptorLimit.current.soft >= 2048 else {
            return withKnownIssue("skipped: there are not enough descriptors") { Issue.record() }
        }
        try withKeeperHome { home in
            let keeper = try home.startReady(shell: #"ulimit -n 1100; exec "$@""#)
            let clients = try (0..<ChannelConstants.connections).map { _ in try home.channel(of: keeper) }
            let crowd = try (0..<100).map { _ in try home.bareChannel(of: keeper) }
            #expect(try crowd[0].nextError()?.code == .busy)
            clients[0].send("label {\"a\":\"b\"}\n")
            #expect(try clients[0].next() == .ok(.label))
            #expect(!keeper.log.contains("cannot accept"))
        }
    }

    @Test("With few descriptors raw clients leave some for the channel, and all of them some for output and the end")
    func sharesDescriptors() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "while read line; do echo $line; done", settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"],
                shell: #"ulimit -n 80; exec "$@""#)
            let raw = try home.clients(100, of: keeper, writing: Array("unfinished".utf8))
            let client = try home.channel(of: keeper)
            #expect(try client.isAnswered())
            let crowd = try (0..<100).map { _ in try home.bareChannel(of: keeper) }
            try home.until("there is no room") { try client.status().clients.channel > 1 }
            try home.untilAtRest(keeper)
            let count = keeper.figures.descriptors.count
            // Each listener may have accepted one more before it paused.
            #expect(count <= 80 - 16 + 2, "sixteen are kept back")
            client.write(1, "line")
            try home.until("the output is kept") { try client.status().output?.out.end == 5 }
            // From the segment, which takes one of them.
            client.send("read {\"from\":\"start\"}\n")
            while try client.next() != .end([.out: 5]) {}
            #expect(client.tiles[.out]?.text == "line\n")
            client.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            _ = try client.rest()
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.exit?.reason == .stopped && keeper.record?.exit?.output?.out.end == 5)
            #expect(crowd.contains { $0.hello == nil } && !raw.isEmpty)
        }
    }

    @Test("A client that is gone while nothing is read from it leaves its place to others")
    func dropsGone() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "kill -STOP $$; exec cat >/dev/null", settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"])
            let child = keeper.childPID!
            try home.until("the child stops") { ProcessFigures(of: child).isStopped ?? true }
            let writer = try home.channel(of: keeper)
            let line = String(repeating: "x", count: 1000)
            for number: UInt64 in 1...1000 { writer.write(number, line) }
            let other = try home.channel(of: keeper)
            try home.until("the room is full") { try other.status().queuedBytes > 261_000 }
            other.close()
            for _ in 0..<50 {
                let client = try home.channel(of: keeper)
                client.write(1, line)
                client.close()
            }
            for _ in 0..<50 {
                let follower = try home.channel(of: keeper)
                follower.send("read {\"from\":\"end\",\"follow\":true}\n")
                guard case .reading = try follower.next() else { return #expect(Bool(false), "it does not read") }
                follower.finish()
                // The keeper has seen the end of the sending side before the other one goes.
                let other = try home.channel(of: keeper)
                _ = try other.status()
                other.close()
                follower.close()
            }
            // The writer, the one who asks, and perhaps the one before.
            try home.until("those that are gone have no place") {
                let client = try home.channel(of: keeper)
                defer { client.close() }
                return try client.status().clients.channel <= 3
            }
            try home.thawChild(of: keeper)
            #expect(try writer.acknowledges(1000))
        }
    }

    @Test("Unfinished lines of all clients are bounded: the longest goes, with an error, and the others go on")
    func boundsPayloads() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat >/dev/null")
            var clients: [ChannelConnection] = []
            for size in [15, 14, 13, 12, 11] {
                let client = try home.channel(of: keeper)
                client.send("write 1 16000000\n")
                client.send([UInt8](repeating: 0x78, count: size << 20))
                try home.until("it has been read") { client.hasSentAll || client.isEnded }
                clients.append(client)
            }
            // 65 MiB are more than 64: the first had the longest.
            #expect(try clients[0].nextError()! == (.busy, 1))
            #expect(try clients[0].rest().isEmpty)
            clients[4].send([UInt8](repeating: 0x78, count: 16_000_000 - 11 << 20) + [0x0A])
            #expect(try clients[4].acknowledges(1))
            #expect(clients[1...3].allSatisfy { !$0.isEnded })
            #expect(try home.channel(of: keeper).status().linesIn == 1)
        }
    }

    @Test("A header that announces much takes no memory for it")
    func growsWithWhatComes() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let clients = try (0..<100).map { _ in
                let client = try home.channel(of: keeper)
                client.send("ping\nwrite 1 16000000\nabc")
                return client
            }
            for client in clients { #expect(try client.next() == .pong) }
            guard let memory = keeper.figures.memory else { return }
            #expect(memory.own < 65536, "100 lines of 16 MB were announced")
        }
    }

    @Test("A socket whose file has gone is made anew after SIGUSR1, and who was connected stays so")
    func renewsSocket() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let client = try home.channel(of: keeper)
            try Files.unlink(keeper.channel)
            try keeper.send(.user1)
            try home.until("it is there again") { Files.exists(keeper.channel) }
            #expect(try client.isAnswered())
            #expect(try home.channel(of: keeper).hello == client.hello)
        }
    }

    @Test("The channel's socket is made anew during a stop, too; the raw socket is not")
    func renewsSocketWhileStopping() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "trap '' TERM; while :; do sleep 0.01; done")
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let client = try home.channel(of: keeper)
            client.send("stop {\"eofMs\":600000,\"termMs\":600000}\n")
            #expect(try client.next() == .ok(.stop))
            try Files.unlink(keeper.channel)
            try keeper.send(.user1)
            try home.until("it is there again") { Files.exists(keeper.channel) }
            #expect(keeper.log.contains("its raw socket is not made anew") && !Files.exists(keeper.socket))
            let other = try home.channel(of: keeper)
            #expect(try other.status().state == .stopping)
            other.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            for client in [client, other] {
                guard case .exit(let exit)? = try client.rest().last else { return #expect(Bool(false), "no exit") }
                #expect(exit.reason == .stopped && exit.by == .kill)
            }
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.names.isEmpty)
        }
    }

    @Test("At the limit a client that is gone unnoticed makes room for the next one")
    func dropsGoneAtLimit() throws {
        try DescriptorLimit.raise(upTo: 4096)
        guard DescriptorLimit.current.soft >= 2048 else {
            return withKnownIssue("skipped: there are not enough descriptors") { Issue.record() }
        }
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"])
            let followers = try (0..<ChannelConstants.connections).map { _ in
                let follower = try home.channel(of: keeper)
                follower.send("read {\"from\":\"end\",\"follow\":true}\n")
                _ = try follower.next()
                follower.finish()
                return follower
            }
            try home.untilAtRest(keeper)
            followers[500].close()
            home.loop.run(.noWait)
            #expect(try home.channel(of: keeper).isAnswered())
        }
    }
}
