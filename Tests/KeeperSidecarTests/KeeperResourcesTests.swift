import TestSupport
import Testing
import UVLoop

/// One after the other: they measure time and memory.
@Suite("Keeper: resources", .serialized) struct KeeperResourcesTests {
    @Test("Out of descriptors, it serves those it has, does not spin, and serves the others when it can")
    func survivesDescriptorExhaustion() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(shell: #"ulimit -n 20; exec "$@""#)
            let begin = SystemClock.monotonicTime
            let clients = try (0..<200).map { _ in try KeeperClient(to: keeper.socket, on: home.loop) }
            for client in clients { client.write("one\n") }
            try home.until("all have sent") { clients.allSatisfy { $0.hasSentAll } }
            try home.until("the first are served") { home.text()?.isEmpty == false }
            // It tries again now and then: a second in which nobody else is served, and in which it does hardly anything.
            var served = 0
            try home.until("nobody else is served") {
                try home.untilAtRest(keeper)
                served = home.text()!.split(separator: "\n").count
                let time = keeper.figures.processorTime
                let start = SystemClock.monotonicTime
                try home.run(for: .seconds(1))
                guard served == home.text()!.split(separator: "\n").count else { return false }
                if let time {
                    #expect(keeper.figures.processorTime! - time <= (SystemClock.monotonicTime - start) / 10)
                }
                return true
            }
            #expect(served > 0 && served < 16)
            for client in clients.prefix(1) { client.write("two\n") }
            try home.until("who is served goes on being served") { home.text()!.contains("two\n") }
            for client in clients { client.finish() }
            try home.until("everybody is served") { clients.allSatisfy { $0.isEnded } }
            try home.until("all lines arrive") { home.text()!.split(separator: "\n").count == 201 }
            // One a second.
            let bound = Int((SystemClock.monotonicTime - begin) / .seconds(1)) + 2
            let notes = keeper.log.split(separator: "\n").filter {
                $0.contains("cannot accept clients for now: EMFILE")
            }
            #expect(notes.count <= bound)
        }
    }

    @Test("It says so before it starts a child whose output it has too few descriptors for", arguments: [23, 24])
    func needsDescriptorsForOutput(limit: Int) throws {
        try withKeeperHome { home in
            let keeper = try home.start(
                settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"], shell: #"ulimit -n \#(limit); exec "$@""#)
            try home.until("it runs or has ended") { keeper.exitStatus != nil || keeper.log.contains("keeper ready") }
            #expect((keeper.exitStatus == nil) == (limit >= 24), "\(keeper.log)")
            if keeper.exitStatus == nil { try keeper.send(.terminate) }
            #expect(try home.runToEnd(keeper) == .exited(code: limit >= 24 ? 0 : 2))
        }
    }

    @Test("With hardly any descriptors it starts or says why not, and leaves nothing", arguments: 4...22)
    func survivesFewDescriptors(limit: Int) throws {
        try withKeeperHome { home in
            let keeper = try home.start(shell: #"ulimit -n \#(limit); exec "$@""#)
            try home.until("it runs or has ended") { keeper.exitStatus != nil || keeper.log.contains("keeper ready") }
            if keeper.exitStatus == nil {
                #expect(limit >= 20)
                try home.send("a\n", to: keeper)
                try keeper.send(.terminate)
                #expect(try home.runToEnd(keeper) == .exited(code: 0))
            } else {
                _ = try home.runToEnd(keeper)
                let isExpected = [1, 2].contains { keeper.exitStatus == .exited(code: $0) }
                // Below 6 not even the system's loader can open its libraries.
                let isLoader = keeper.exitStatus == .exited(code: 127)
                #expect(isExpected || isLoader, "\(keeper.exitStatus!) \(keeper.log)")
                #expect(
                    (keeper.log + keeper.standardError).contains("a keeper needs 20 descriptors") || isLoader,
                    "\(keeper.log)")
            }
            #expect(home.names.isEmpty)
        }
    }

    @Test(
        "An idle keeper does nothing at all, and is small, whatever becomes of its child's output, and who reads that",
        arguments: [[:], ["PI_KEEPER_CAPTURE_PI_OUTPUT": "1"], ["PI_KEEPER_OUTPUT_MAX_BYTES": "1048576"]])
    func isQuiet(settings: [String: String]) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat", settings: settings)
            let reader = try home.channel(of: keeper)
            reader.send("read {\"from\":\"start\",\"follow\":true}\n")
            _ = try reader.next()
            try home.send("a\n", to: keeper)
            try home.until("it is ready") { keeper.log.contains("keeper ready") }
            try home.untilAtRest(keeper)
            let waits = try #require(keeper.figures.waits)
            let memory = try #require(keeper.figures.memory)
            try home.run(for: .seconds(2))
            #expect(keeper.figures.waits == waits)
            #expect(memory.resident < KeeperMemory.slack(20 << 10))
        }
    }
}
