import UVLoopAsync

/// usage: flood-server SOCKET; offers each client as many blocks of 64 KiB as its first line says, and says "ready" first.
@main
enum FloodServer {
    static func main() async throws {
        let executor = try LoopExecutor()
        let server = try await Server.bind(to: SocketAddress(unixPath: CommandLine.arguments[1]), on: executor)
        try await Connection.take(descriptor: 1, on: executor).write("ready\n")
        try await server.serve { client in
            var lines = client.lines().makeAsyncIterator()
            guard let count = try await lines.next().flatMap({ Int($0.text) }) else { return }
            let block = [UInt8](repeating: 0x78, count: 65536)
            for _ in 0..<count { try await client.write(block) }
        }
    }
}
