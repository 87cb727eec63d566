import KeeperSidecar
import UVKeeper

/// A server that can be killed at any time: its sessions live on in their keepers, and its next run finds them again.
///
/// `main` is nonisolated here, like every function of an `@main` type without an actor. Code at the top level of a
/// `main.swift` belongs to the main actor, and so do its closures; that works too, but only if the loop runs on the
/// main thread.
@main
enum ExampleServer {
    static let usage = """
        usage: example-server [--sidecar PATH] SOCKET SESSIONS_DIR SESSION -- COMMAND...
               example-server --stop-session SESSIONS_DIR SESSION

        Takes lines on the unix socket SOCKET, writes each to the session's child, and answers each with one line, such
        as {"line":1,"outcome":"written"}. The session is adopted if it lives, else started with COMMAND. SIGTERM ends the
        server and leaves the session alone; --stop-session ends the session.

        """

    static func main() {
        // The first call of all: in the process that becomes a keeper, it does not return.
        KeeperSidecar.runIfRequested()
        do {
            let loop = try Loop()
            let arguments = Array(CommandLine.arguments.dropFirst())
            if arguments.first == "--stop-session" {
                guard arguments.count == 3 else { throw Failure(usage) }
                try stop(arguments[2], in: arguments[1], on: loop)
            } else {
                try Server(configuration(arguments), on: loop).start()
            }
            loop.run()
            // The close fails if a handle was left open, which would be a mistake of this program.
            try loop.close()
        } catch {
            fail(error)
        }
    }

    private static func stop(_ session: String, in sessionsDirectory: String, on loop: Loop) throws {
        var options = KeeperManager.Options()
        options.sessionsDirectory = sessionsDirectory
        let keepers = try KeeperManager(on: loop, options: options)
        keepers.stop(session) { result in
            guard result == .stopped || result == .killed else { fail(Failure("session \(session): \(result)")) }
            say("session \(session) has ended")
            keepers.close()
        }
    }

    private static func configuration(_ arguments: [String]) throws -> Server.Configuration {
        let hasSidecar = arguments.first == "--sidecar"
        let rest = Array(arguments.dropFirst(hasSidecar ? 2 : 0))
        guard rest.count >= 5, rest[3] == "--" else { throw Failure(usage) }
        return Server.Configuration(
            socketPath: rest[0],
            sessionsDirectory: rest[1],
            session: try SessionID(rest[2]),
            command: Array(rest[4...]),
            // Unless another sidecar is given, this program is its own.
            sidecar: hasSidecar ? [arguments[1]] : try .currentExecutable(),
        )
    }

    /// Prints an event; unbuffered, so that no line is missing if the server is killed.
    static func say(_ text: String) {
        StandardStreams.writeError("example-server: \(text)\n")
    }

    static func fail(_ error: any Error) -> Never {
        say("\(error)")
        CurrentProcess.exit(1)
    }
}

/// A reason to end, for the person who started the program.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
