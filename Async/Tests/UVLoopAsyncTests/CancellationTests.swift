import TestSupport
import Testing
import UVLoop
import UVLoopAsync

/// A server that is an actor on the loop, with what it knows of its clients.
private actor EchoServer: LoopActor {
    nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private(set) var open = 0
    private(set) var accepted = 0

    init(on executor: LoopExecutor) { self.executor = executor }

    func serve(_ connection: Connection) async throws {
        open += 1
        accepted += 1
        defer { open -= 1 }
        for try await bytes in connection.bytes { try await connection.write(bytes) }
    }
}

/// Operations that were begun, and that have ended.
private actor Operations {
    private(set) var begun = 0
    private(set) var ended = 0

    func begin() { begun += 1 }

    func end() { ended += 1 }

    nonisolated func count<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        await begin()
        do {
            let value = try await body()
            await end()
            return value
        } catch {
            await end()
            throw error
        }
    }
}

@Suite("Tasks that are canceled") struct CancellationTests {
    @Test("a thousand clients, 100,000 operations, canceled at any point: each ends once, and nothing stays open")
    func thousand() async throws {
        try await withExecutor { executor in
            let server = try await Server.bind(to: .loopback(.ipv4, port: 0), on: executor)
            let echo = EchoServer(on: executor)
            let serving = Task { try await server.serve { try await echo.serve($0) } }
            let operations = Operations()
            var clients = 0
            while clients < 1000 {
                clients += await CancellationTests.round(of: 100, from: clients, server.address, executor, operations)
            }
            while await operations.begun < 100_000 {
                clients += await CancellationTests.round(of: 20, from: clients, server.address, executor, operations)
            }
            await server.close()
            try await serving.value
            // A continuation that nobody resumes is a hang above; one that is resumed twice is a trap.
            #expect(await operations.begun == operations.ended)
            #expect(await echo.open == 0)
            #expect(await echo.accepted > 100)
        }
    }

    /// Many clients, fifty at a time, three of four canceled.
    private static func round(
        of count: Int, from first: Int, _ address: SocketAddress, _ executor: LoopExecutor, _ operations: Operations,
    ) async -> Int {
        await withTaskGroup(of: Void.self) { group in
            for client in first..<first + count {
                if client - first >= 50 { await group.next() }
                group.addTask {
                    var generator = SeededGenerator(seed: UInt64(client))
                    let moment = Int.random(in: 0..<300, using: &generator)
                    let task = Task { try await converse(100, address, executor, operations) }
                    for _ in 0..<moment { await Task.yield() }
                    if client % 4 > 0 { task.cancel() }
                    do { try await task.value } catch {
                        #expect(error is UVError && client % 4 > 0, "\(error)")
                    }
                }
            }
        }
        return count
    }

    private static func converse(
        _ count: Int, _ address: SocketAddress, _ executor: LoopExecutor, _ operations: Operations,
    ) async throws {
        let connection = try await operations.count { try await Connection.connect(to: address, on: executor) }
        try await connection.whileOpen(finishingWithin: hangTimeout) { connection in
            for number in 0..<count {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 + number * 7)
                try await operations.count { try await connection.write(bytes) }
                var left = bytes.count
                while left > 0 {
                    let received = try await operations.count { try await connection.read() }
                    guard let received else { throw UVError.connectionReset }
                    #expect(received.allSatisfy { $0 == bytes[0] })
                    left -= received.count
                }
            }
        }
    }
}
