import ArgumentParser
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import UVKeeper
import UVKeeperAsync
import UnixSignals

/// A server with a page on the sessions of one directory. It may be killed at any time: sessions live on, and the next one
/// finds them.
@main
struct Dashboard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A page, and an HTTP interface, on the sessions of one directory.",
        discussion: """
            It listens on this machine alone, and prints the address with which a browser gets in. Ctrl-C ends the server; \
            the sessions live on, and the next server finds them.

            The token comes from --token, else from \(Token.variable), else from the file \(Token.fileName) in the sessions \
            directory, which is made if it is not there. Other users can see the arguments of a program: where there are \
            some, prefer the variable or the file.
            """)

    @Option(help: "The port; 0 for any that is free.")
    var port = 8611

    @Option(
        help: ArgumentHelp(
            "What programs and the browser must know, at least \(Token.fewestBytes) bytes.", valueName: "text"))
    var token: String?

    @Option(help: ArgumentHelp("Where the sessions are; without it where uvkeeper has them.", valueName: "directory"))
    var sessionsDir: String?

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("a port is a number from 0 to 65535") }
    }

    func run() async throws {
        StandardStreams.openMissing()
        let logger = Logger(label: "dashboard")
        // Each session that lives is watched by a descriptor.
        try DescriptorLimit.raise()
        let keepers = try await Keepers(Keepers.Options(sessionsDirectory: sessionsDir, logger: logger))
        try await keepers.checkDirectory()
        let token = try Token.find(token, inDirectory: keepers.sessionsDirectory)
        let board = Board(keepers, logger: logger)
        let server = Application(
            router: Routes(keepers, board).router(behind: token),
            // A connection without a request is given up; a stream of events is a request that goes on.
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: .init(address: .hostname(Place.address, port: port)),
            services: [board],
            onServerRunning: { channel in
                let url = Place.url(port: channel.localAddress?.port ?? 0, token)
                do { try Descriptors.write(Array("\(url)\n".utf8), to: 1) } catch {
                    logger.error("cannot print the address", metadata: ["error": "\(error)"])
                }
            },
            logger: logger)
        var failure: (any Error)?
        do { try await ServiceGroup(configuration: Dashboard.group(of: server, logger)).run() } catch {
            failure = error
        }
        // Connections and watches; the sessions live on.
        await keepers.close()
        if let error = failure as? IOError, UVError(rawValue: -error.errnoCode) == .addressInUse {
            throw PortTaken(port: port)
        }
        // Connections that were not done in time were closed.
        if let failure, !(failure is CancellationError) { throw failure }
        logger.info("ended; the sessions live on")
    }

    /// A server that ends on Ctrl-C and SIGTERM; clients that do not send or read on are not waited for.
    private static func group(of server: some Service, _ logger: Logger) -> ServiceGroupConfiguration {
        var configuration = ServiceGroupConfiguration(
            services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(3)
        return configuration
    }
}

/// Somebody listens there already, another one of these perhaps.
private struct PortTaken: Error, CustomStringConvertible {
    let port: Int

    var description: String { "port \(port) is taken; choose another one with --port, or 0 for any that is free" }
}
