import UVKeeper

/// The whole server: one session, one socket, any number of clients, everything on one loop.
final class Server {
    struct Configuration {
        let socketPath: String
        let sessionsDirectory: String
        let session: SessionID
        let command: [String]
        let sidecar: SidecarCommand
    }

    private enum State {
        /// The session is being looked for, or started.
        case starting
        case serving(PipeListener)
        /// No new lines are taken; those under way get their answers.
        case ending
    }

    /// The longest wait at the end for the lines under way.
    private static let endDeadline = Duration.seconds(2)

    private let configuration: Configuration
    private let loop: Loop
    private let keepers: KeeperManager
    private let signal: SignalHandle
    private let timer: TimerHandle
    private var state = State.starting
    private var clients: [ObjectIdentifier: ServerClient] = [:]

    init(_ configuration: Configuration, on loop: Loop) throws {
        self.configuration = configuration
        self.loop = loop
        var options = KeeperManager.Options()
        options.sessionsDirectory = configuration.sessionsDirectory
        options.sidecar = configuration.sidecar
        keepers = try KeeperManager(on: loop, options: options)
        signal = try SignalHandle(on: loop)
        timer = TimerHandle(on: loop)
    }

    // The handles' closures hold the server until the handles are closed.
    func start() throws {
        try signal.start(.terminate) { _, _ in self.end() }
        // The child's output goes to the keeper's log; its working directory is the server's.
        let options = SpawnOptions(command: configuration.command, output: .captured, readiness: .settled)
        keepers.open(configuration.session, in: ".", options) { result in
            switch result {
            case .success(let session): self.ready(session)
            case .failure(.closed): break
            case .failure(let error): ExampleServer.fail(error)
            }
        }
    }

    // MARK: The session

    private func ready(_ opened: OpenSession) {
        guard case .starting = state else { return }
        let how = if case .adopted = opened.way { "adopted" } else { "started" }
        do {
            let session = opened.session.id
            let childPID = keepers.status(of: session)?.childPID
            let listener = try bind()
            try listener.listen { _, result in self.accepted(result) }
            state = .serving(listener)
            let keeper = opened.keeperPID.map { "\($0)" } ?? "unknown"
            let child = childPID.map { "\($0)" } ?? "unknown"
            ExampleServer.say("\(how) session \(session), keeper \(keeper), child \(child)")
            ExampleServer.say("listening on \(listener.path)")
        } catch {
            ExampleServer.fail(error)
        }
    }

    // MARK: The socket

    /// Binds the socket. A killed server leaves its socket behind, which is replaced if nobody listens on it.
    private func bind() throws -> PipeListener {
        let path = configuration.socketPath
        switch SocketProbe(path) {
        case .missing: break
        case .refused where try Files.status(of: path, followingLinks: false).kind == .socket: try Files.unlink(path)
        case .refused, .accepting: throw Failure("\(path) is in use")
        case .failed(let error): throw error
        }
        return try PipeListener(bindingTo: path, on: loop)
    }

    private func accepted(_ result: Result<PipeStream, UVError>) {
        switch result {
        case .success(let stream):
            let client = ServerClient(stream, of: configuration.session, keepers) { self.ended($0) }
            clients[ObjectIdentifier(client)] = client
            client.start()
        // The listener retries by itself.
        case .failure(let error): ExampleServer.say("cannot accept: \(error)")
        }
    }

    private func ended(_ client: ServerClient) {
        clients[ObjectIdentifier(client)] = nil
        if case .ending = state, clients.isEmpty { finish() }
    }

    // MARK: The end

    private func end() {
        switch state {
        case .starting: break
        case .serving(let listener):
            do {
                try Files.unlink(listener.path, ifStill: listener.identity)
            } catch {
                ExampleServer.say("cannot remove \(listener.path): \(error)")
            }
            listener.close()
        case .ending: return
        }
        state = .ending
        ExampleServer.say("ending; the session lives on")
        guard !clients.isEmpty else { return finish() }
        timer.start(after: Server.endDeadline) { _ in self.finish() }
        for client in Array(clients.values) { client.finish() }
    }

    private func finish() {
        for client in Array(clients.values) { client.close() }
        clients = [:]
        keepers.close()
        signal.close()
        timer.close()
    }
}
