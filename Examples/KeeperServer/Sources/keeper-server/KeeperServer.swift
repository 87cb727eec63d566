import Logging
import UVKeeperService

/// usage: keeper-server PORT; each line of a client's goes to one session's child, and it is told what became of it.
@main
enum KeeperServer {
    static func main() async throws {
        let logger = Logger(label: "keeper-server")
        let keeping = try await KeeperService(Keepers.Options(logger: logger))
        let door = Door(
            port: CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 0, keepers: keeping.keepers)
        // Ended in the reverse order: first the door, so that no line comes any more, then the keepers. Sessions live on.
        try await ServiceGroup(
            services: [keeping, door], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
    }
}

struct Door: Service {
    let port: Int
    let keepers: Keepers

    func run() async throws {
        let session = try await keepers.open("cat", ["cat"], in: "/tmp")
        let server = try await Server.bind(to: .loopback(.ipv4, port: port), on: keepers.executor)
        StandardStreams.writeError("listening on \(server.address)\n")
        try await cancelWhenGracefulShutdown {
            try await server.serve(atMost: 100) { client in
                for try await line in client.lines() {
                    try await client.write("\(await session.write(line.bytes))\n")
                }
            }
        }
    }
}
