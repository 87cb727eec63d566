import TestSupport
import Testing
import UVLoop
import UVLoopAsync

/// Runs `body` with an executor of its own, and requires that nothing is left open on its loop.
func withExecutor(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (LoopExecutor) async throws -> Void,
) async throws {
    let executor = try LoopExecutor()
    do {
        try await body(executor)
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
    // What was closed or let go of takes some ticks.
    let deadline = SystemClock.monotonicTime + hangTimeout
    var open = ["?"]
    while !open.isEmpty, SystemClock.monotonicTime < deadline {
        open = try await executor.run { loop in loop.openHandles.map { "\(type(of: $0))" } }
    }
    #expect(open.isEmpty, "every handle is closed", sourceLocation: sourceLocation)
    await executor.shutdown()
}

/// A fresh directory with a short path, for sockets.
func withDirectory(_ body: (String) async throws -> Void) async throws {
    let path = try makeTemporaryDirectory()
    do {
        try await body(path)
        removeTree(path)
    } catch {
        removeTree(path)
        throw error
    }
}

/// A server, and a connection to it, of either kind.
func withPair(
    _ isUnix: Bool = true, _ body: (_ client: Connection, _ server: Connection, LoopExecutor) async throws -> Void,
) async throws {
    try await withDirectory { directory in
        try await withExecutor { executor in
            let address = try isUnix ? SocketAddress(unixPath: directory + "/s") : .loopback(.ipv4, port: 0)
            let server = try await Server.bind(to: address, on: executor)
            var connections = server.connections().makeAsyncIterator()
            async let connecting = Connection.connect(to: server.address, on: executor)
            let accepted = try #require(try await connections.next())
            let client = try await connecting
            try await body(client, accepted, executor)
            await client.close()
            await accepted.close()
            await server.close()
        }
    }
}

/// A count that tasks share.
actor Counter {
    private(set) var value = 0

    func add(_ number: Int = 1) { value += number }

    func next() -> Int {
        value += 1
        return value
    }
}
