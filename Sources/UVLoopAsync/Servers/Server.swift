public import UVLoop

/// A TCP port or a unix socket that accepts connections, for tasks.
public actor Server: LoopActor {
    /// The executor whose loop is used.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// The address that the server listens on; for port 0, with the port that the system chose.
    public nonisolated let address: SocketAddress
    private let held: Handover<Listener>
    private var listener: Listener { held.value }

    /// The connections that were accepted and not yet taken by a task.
    private var waiting: [Connection] = []
    private var acceptor = Waiting<Connection?>()
    /// True while the listener is paused: no task asks, or no more connections may be accepted.
    private var isPaused = true
    private var isClosed = false
    /// True while a task asks for connections, or handles the last one before it asks again.
    private var isServing = false
    /// The most connections at a time, and their present number.
    private var limit = Int.max
    private var count = 0

    /// The most connections that may be accepted and not yet taken.
    private static let waitingLimit = 64

    private init(_ listener: Handover<Listener>, at address: SocketAddress, on executor: LoopExecutor) {
        held = listener
        self.address = address
        self.executor = executor
    }

    deinit {
        executor.submit { [held] _ in held.value.close() }
    }

    /// Binds a TCP port, or makes a unix socket with mode 0600. Clients can connect from then on, and wait in the
    /// kernel's backlog until a task asks for connections.
    ///
    /// - Throws: the errors of ``/UVLoop/TCPListener/init(bindingTo:dualStack:reusePort:backlog:on:)`` and
    ///   ``/UVLoop/PipeListener/init(bindingTo:on:)``. The path of a unix socket is not removed at the end.
    public static func bind(
        to address: SocketAddress, dualStack: Bool = false, reusePort: Bool = false, on executor: LoopExecutor,
    ) async throws(UVError) -> Server {
        let result: Result<Server, UVError> = try await executor.run { loop in
            do throws(UVError) {
                if let path = address.path {
                    let listener = try PipeListener(bindingTo: path, on: loop)
                    return .success(try Server(Handover(listener), at: address, on: executor).listening(listener))
                }
                let listener = try TCPListener(
                    bindingTo: address, dualStack: dualStack, reusePort: reusePort, on: loop)
                return .success(
                    try Server(Handover(listener), at: listener.localAddress, on: executor).listening(listener))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Begins to listen, paused. Called on the executor.
    private nonisolated func listening(_ listener: Listener) throws(UVError) -> Server {
        let accepted: (Result<UVLoop.Stream, UVError>) -> Void = { [weak self] in
            // Descriptors or memory have run out: the listener tries again by itself.
            guard case .success(let stream) = $0 else { return }
            guard let self else { return stream.close() }
            let accepted = Handover(stream)
            self.assumeIsolated { $0.accepted(accepted) }
        }
        switch listener {
        case let listener as TCPListener: try listener.listen { accepted($1.map { $0 }) }
        case let listener as PipeListener: try listener.listen { accepted($1.map { $0 }) }
        default: trap("Server: an unknown kind of listener")
        }
        listener.pause()
        listener.onCanceled = { [weak self] in self?.assumeIsolated { $0.closed() } }
        return self
    }

    // MARK: Connections

    /// The connections accepted until the server closes. For one task at a time.
    ///
    /// - Parameter limit: the most open connections; while there are so many, no more are accepted, and clients wait in
    ///   the kernel's backlog. A connection counts until it has closed.
    public nonisolated func connections(atMost limit: Int = .max) -> Connections {
        Connections(server: self, limit: max(1, limit))
    }

    /// Calls `body` for each connection, in a task of its own, until the server closes or the task is canceled, which
    /// is no error; then waits for those tasks, which are canceled with it. A connection is ended in order when its
    /// `body` returns or throws; an error ends nothing else.
    ///
    /// - Parameters:
    ///   - limit: as in ``connections(atMost:)``.
    ///   - onError: called with the error that a `body` throws.
    ///   - body: called with each connection, which is ended when `body` returns.
    public nonisolated func serve(
        atMost limit: Int = .max, onError: @escaping @Sendable (any Error) -> Void = { _ in },
        _ body: @escaping @Sendable (Connection) async throws -> Void,
    ) async throws(UVError) {
        let result: Result<Void, UVError> = await withDiscardingTaskGroup { group in
            do throws(UVError) {
                for try await connection in connections(atMost: limit) {
                    group.addTask {
                        do { try await connection.whileOpen(body) } catch { onError(error) }
                    }
                }
                return .success(())
            } catch {
                return error == .canceled && Task.isCancelled ? .success(()) : .failure(error)
            }
        }
        try result.get()
    }

    func next(atMost limit: Int) async throws(UVError) -> Connection? {
        self.limit = limit
        let number = acceptor.nextNumber()
        return try await wait(canceled: .canceled) {
            accept($0, number)
        } onCancel: {
            $0.acceptor.cancel(number)
            $0.rest()
        }
    }

    private func accept(_ continuation: Waiting<Connection?>.Continuation, _ number: UInt64) {
        isServing = true
        if !waiting.isEmpty {
            continuation.resume(returning: .success(waiting.removeFirst()))
        } else if isClosed {
            continuation.resume(returning: .success(nil))
        } else {
            acceptor.set(continuation, number)
        }
        resumeIfRoom()
    }

    private func accepted(_ stream: Handover<UVLoop.Stream>) {
        count += 1
        let connection = Connection.over(stream.value, on: executor) { [weak self] in
            self?.assumeIsolated { $0.connectionClosed() }
        }
        if acceptor.isEmpty { waiting.append(connection) } else { acceptor.resume(.success(connection)) }
        if !hasRoom { pause() }
    }

    private func pause() {
        guard !isPaused, !isClosed else { return }
        isPaused = true
        listener.pause()
    }

    /// Accepts nobody until a task asks again, unless another one does.
    fileprivate func rest() {
        guard acceptor.isEmpty else { return }
        isServing = false
        pause()
    }

    private var hasRoom: Bool { count < limit && waiting.count < Server.waitingLimit }

    private func connectionClosed() {
        count -= 1
        resumeIfRoom()
    }

    private func resumeIfRoom() {
        guard isPaused, hasRoom, !isClosed, isServing else { return }
        isPaused = false
        // A resume fails only for a listener that the loop has closed, which is reported otherwise.
        try? listener.resume()
    }

    // MARK: The end

    /// Closes the server: no more connections are accepted, those in the backlog are reset, and
    /// ``connections(atMost:)`` ends. Connections already accepted live on. Idempotent.
    public func close() {
        listener.close()
        closed()
    }

    private func closed() {
        guard !isClosed else { return }
        isClosed = true
        waiting = []
        acceptor.resume(.success(nil))
    }
}

extension Server {
    /// The connections of a server.
    public struct Connections: AsyncSequence {
        /// The errors of listening.
        public typealias Failure = UVError
        let server: Server
        let limit: Int

        /// The iterator of one task. Once it is gone, nobody is accepted until another one asks.
        public struct Iterator: AsyncIteratorProtocol {
            private let turn: Turn

            fileprivate init(_ turn: Turn) { self.turn = turn }

            /// The next connection; nil when the server has closed.
            public mutating func next() async throws -> Connection? { try await turn.next() }

            /// The next connection, as above, with the error's type.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> Connection? {
                try await turn.next()
            }
        }

        fileprivate final class Turn: Sendable {
            private let server: Server
            private let limit: Int

            init(_ server: Server, _ limit: Int) {
                self.server = server
                self.limit = limit
            }

            deinit {
                server.executor.submit { [server] _ in server.assumeIsolated { $0.rest() } }
            }

            func next() async throws(UVError) -> Connection? { try await server.next(atMost: limit) }
        }

        /// Begins to accept.
        public func makeAsyncIterator() -> Iterator { Iterator(Turn(server, limit)) }
    }
}
