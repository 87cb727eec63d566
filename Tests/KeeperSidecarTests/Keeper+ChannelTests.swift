import KeeperProtocol
import TestSupport
import Testing

@Suite("Channel: status") struct KeeperChannelTests {
    @Test("Status tells since when what has come, and who is connected") func tellsTimes() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "read line; echo out; exec cat >/dev/null", settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"])
            let client = try home.channel(of: keeper)
            try home.until("who looked whether it listens has gone") { try client.status().clients.raw == 0 }
            let before = try client.status()
            #expect(before.session == "s" && before.epoch == client.hello.epoch)
            #expect(before.lastInputAt == nil && before.lastOutputAt == nil && before.bytesIn == 0)
            #expect(before.clients.channel == 1)
            #expect(before.keeper.pid == keeper.pid && before.child.pid == keeper.childPID)
            let raw = try KeeperClient(to: keeper.socket, on: home.loop)
            raw.write("line\n")
            try home.until("the output has come") { try client.status().lastOutputAt != nil }
            let after = try client.status()
            #expect(after.clients.raw == 1 && after.clients.channel == 1)
            #expect(after.linesIn == 1 && after.bytesIn == 5 && after.queuedBytes == 0)
            // Times of one form are in the order of their texts.
            let started = after.child.startedAt
            let (input, output) = (try #require(after.lastInputAt), try #require(after.lastOutputAt))
            #expect(started <= input && input <= output)
            raw.close()
            try home.until("it has gone") { try client.status().clients.raw == 0 }
        }
    }

    @Test("Status names 64 writers: those that are connected, then those that were last") func namesWriters() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let first = try home.channel(of: keeper)
            first.send("writer first\n")
            _ = try first.next()
            for number in 1...70 {
                let client = try home.channel(of: keeper)
                client.send("writer n\(number)\n")
                _ = try client.next()
                client.close()
            }
            try home.until("one is connected") { try first.status().writers.filter { $0.connected == true }.count == 1 }
            let status = try first.status()
            #expect(status.writersTotal == 71 && status.writers.count == 64)
            #expect(status.writers[0].name == "first" && status.writers[0].connected == true)
            let others = Set(status.writers.dropFirst().map(\.name))
            #expect(others == Set((8...70).map { "n\($0)" }))
        }
    }
}
