import TestSupport
import Testing
import UVLoop
import UVLoopAsync

@Suite("A server for tasks") struct ServerTests {
    @Test("no more connections are open at once than there may be, and the others get their turn") func atMost()
        async throws
    {
        try await withExecutor { executor in
            let server = try await Server.bind(to: .loopback(.ipv4, port: 0), on: executor)
            let (open, most) = (Counter(), Maximum())
            let serving = Task {
                try await server.serve(atMost: 3) { connection in
                    await open.add(1)
                    await most.note(await open.value)
                    for try await line in connection.lines() { try await connection.write(line.bytes + [10]) }
                    await open.add(-1)
                }
            }
            try await withThrowingTaskGroup(of: String?.self) { group in
                for number in 0..<30 {
                    group.addTask {
                        let client = try await Connection.connect(to: server.address, on: executor)
                        try await client.write("\(number)\n")
                        var lines = client.lines().makeAsyncIterator()
                        let answer = try await lines.next()?.text
                        try await client.finish()
                        return answer
                    }
                }
                let answers = try await group.reduce(into: Set()) { $0.insert($1) }
                #expect(answers == Set((0..<30).map { "\($0)" }))
            }
            await server.close()
            try await serving.value
            #expect(await most.value <= 3)
        }
    }

    @Test("a body that throws ends its own connection and no other; the server's close ends the serving")
    func throwing() async throws {
        struct Failure: Error {}
        try await withExecutor { executor in
            let server = try await Server.bind(to: .loopback(.ipv4, port: 0), on: executor)
            let errors = Counter()
            let serving = Task {
                try await server.serve(onError: { error in
                    #expect(error is Failure)
                    Task { await errors.add() }
                }) { connection in
                    guard try await connection.read() == [1] else { throw Failure() }
                    try await connection.write([2])
                }
            }
            for byte: UInt8 in [0, 1, 0, 1] {
                let client = try await Connection.connect(to: server.address, on: executor)
                try await client.write([byte])
                #expect(try await client.read() == (byte == 1 ? [2] : nil))
                await client.close()
            }
            try await until("both are told") { await errors.value == 2 }
            await server.close()
            try await serving.value
        }
    }

    @Test("when no task serves any more, nobody is accepted until one does") func rests() async throws {
        try await withExecutor { executor in
            let server = try await Server.bind(to: .loopback(.ipv4, port: 0), on: executor)
            let serving = Task { try await server.serve { try await $0.write("hello\n") } }
            let first = try await Connection.connect(to: server.address, on: executor)
            for try await line in first.lines() { #expect(line.text == "hello") }
            serving.cancel()
            try await serving.value
            // Its turn to pause comes before this one's.
            try await executor.run { _ in }
            let second = try await Connection.connect(to: server.address, on: executor)
            let handles = try await executor.run { $0.openHandles.count }
            try await executor.clock.sleep(for: .milliseconds(20))
            #expect(try await executor.run { $0.openHandles.count } == handles)
            let other = Task { try await server.serve { try await $0.write("again\n") } }
            for try await line in second.lines() { #expect(line.text == "again") }
            other.cancel()
            try await other.value
            let third = try await Connection.connect(to: server.address, on: executor)
            for try await connection in server.connections() {
                await connection.close()
                break
            }
            try await executor.run { _ in }
            let fourth = try await Connection.connect(to: server.address, on: executor)
            let count = try await executor.run { $0.openHandles.count }
            try await executor.clock.sleep(for: .milliseconds(20))
            #expect(try await executor.run { $0.openHandles.count } <= count)
            await third.close()
            await fourth.close()
            await first.close()
            await second.close()
            await server.close()
        }
    }

    @Test("a canceled wait for connections ends, and a later one goes on") func canceled() async throws {
        try await withExecutor { executor in
            let server = try await Server.bind(to: .loopback(.ipv4, port: 0), on: executor)
            let waiting = Task {
                var connections = server.connections().makeAsyncIterator()
                return try await connections.next() != nil
            }
            waiting.cancel()
            await #expect(throws: UVError.canceled) { try await waiting.value }
            let client = try await Connection.connect(to: server.address, on: executor)
            var connections = server.connections().makeAsyncIterator()
            let accepted = try await connections.next()
            #expect(accepted != nil)
            await accepted?.close()
            await client.close()
            await server.close()
            #expect(try await connections.next() == nil)
        }
    }
}

/// The largest number that tasks have seen.
private actor Maximum {
    private(set) var value = 0

    func note(_ number: Int) { value = max(value, number) }
}
