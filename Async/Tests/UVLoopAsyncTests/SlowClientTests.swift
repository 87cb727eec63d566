import TestSupport
import Testing
import UVLoop
import UVLoopAsync

@Suite("A slow client") struct SlowClientTests {
    @Test(
        "a server that offers it 1 GB grows by less than 4 MiB",
        .disabled(if: ProcessFigures(of: CurrentProcess.id).peak == nil))
    func memory() async throws {
        try await withDirectory { directory in
            try await withExecutor { executor in
                let path = directory + "/s"
                _ = try await RunningProcess.with(
                    BuiltProducts.executable("flood-server"), [path], on: executor
                ) { server in
                    var output = try #require(server.output).lines().makeAsyncIterator()
                    #expect(try await output.next()?.text == "ready")
                    let figures = ProcessFigures(of: server.pid)
                    func take(_ blocks: Int, _ each: (Int) async throws -> Void) async throws {
                        let client = try await Connection.connect(to: SocketAddress(unixPath: path), on: executor)
                        try await client.write("\(blocks)\n")
                        var count = 0
                        while count < blocks * 65536 {
                            count += try #require(try await client.read()).count
                            try await each(count)
                        }
                        await client.close()
                    }
                    // Whatever the first conversations need.
                    for _ in 0..<4 { try await take(64) { _ in } }
                    let before = try #require(figures.peak)
                    var stalls = 0
                    try await take(16384) { count in
                        // Slow: it takes nothing, now and then, until the server can do nothing but wait.
                        guard count > stalls << 24 else { return }
                        stalls += 1
                        try await until("the server waits") { figures.isAsleep == true }
                    }
                    #expect(stalls > 50)
                    let growth = try #require(figures.peak) - before
                    #expect(growth < (BuiltProducts.areSanitized ? 64 : 4) << 10, "\(growth) KiB")
                    try await server.send(.terminate)
                }
            }
        }
    }
}

extension ProcessFigures {
    /// The most memory in RAM it ever had, in KiB.
    var peak: Int? { number("VmHWM:", in: "status") }
}
