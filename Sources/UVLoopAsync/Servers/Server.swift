public import UVLoop

/// A TCP port or a unix socket that others connect to, for tasks.
public actor Server: LoopActor {
    /// Whose loop it is.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// Where it listens: for port 0, with the port that the system chose.
    public nonisolated let address: SocketAddress
    private let held: Handover<Listener>
    private var listener: Listener { held.value }

    /// Those that have connected and were not asked for.
    private var waiting: [Connection] = []
    private var acceptor = Waiting<Connection?>()
    /// The listener is paused as long as nobody asks, or nobody more may be accepted.
    private var isPaused = true
    private var isClosed = false
    /// How many connections there may be, and are.
    private var limit = Int.max
    private var count = 0

    /// How many may have connected and not be asked for.
    private static let waitingLimit = 64

    private init(_ listener: Handover<Listener>, at address: SocketAddress, on executor: LoopExecutor) {
        held = listener
        self.address = address
        self.executor = executor
    }

    deinit {
        executor.submit { [held] _ in held.value.close() }
    }

    /// Binds a TCP port, or makes a unix socket with mode 0600. Others can connect from then on, and wait in the kernel's
    /// backlog until somebody asks for connections.
    ///
    /// - Throws: what ``/UVLoop/TCPListener/init(bindingTo:dualStack:reusePort:backlog:on:)`` and
    ///   ``/UVLoop/PipeListener/init(bindingTo:on:)`` throw. The path of a unix socket is not removed at the end.
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

    /// On the executor.
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

    /// The connections that come, until the server closes. For one task at a time.
    ///
    /// - Parameter limit: how many may be open at once; as long as there are so many, nobody is accepted, and clients wait in
    ///   the kernel's backlog. A connection counts until it has closed.
    public nonisolated func connections(atMost limit: Int = .max) -> Connections {
        Connections(server: self, limit: max(1, limit))
    }

    /// Calls `body` for each connection, in a task of its own, until the server closes or the task is canceled, which is no
    /// error; then waits for those tasks, which are canceled with it. A connection is ended in order when its `body` returns
    /// or throws, which ends nothing else.
    ///
    /// - Parameters:
    ///   - limit: as in ``connections(atMost:)``.
    ///   - onError: told what a `body` throws.
    ///   - body: given each connection, which is ended when it returns.
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
        }
    }

    private func accept(_ continuation: Waiting<Connection?>.Continuation, _ number: UInt64) {
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
        guard !hasRoom, !isPaused else { return }
        isPaused = true
        listener.pause()
    }

    private var hasRoom: Bool { count < limit && waiting.count < Server.waitingLimit }

    private func connectionClosed() {
        count -= 1
        resumeIfRoom()
    }

    private func resumeIfRoom() {
        guard isPaused, hasRoom, !isClosed else { return }
        isPaused = false
        // Fails only for a listener that the loop has closed, which is told in another way.
        try? listener.resume()
    }

    // MARK: The end

    /// Closes the server: nobody is accepted any more, those that wait in the backlog are reset, and ``connections(atMost:)``
    /// ends. Connections that were accepted live on. Idempotent.
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
        /// Errors of listening.
        public typealias Failure = UVError
        let server: Server
        let limit: Int

        /// What one task accepts.
        public struct Iterator: AsyncIteratorProtocol {
            let server: Server
            let limit: Int

            /// The next connection; nil when the server has closed.
            public mutating func next() async throws -> Connection? { try await server.next(atMost: limit) }

            /// The same, with the error's type.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> Connection? {
                try await server.next(atMost: limit)
            }
        }

        /// Begins to accept.
        public func makeAsyncIterator() -> Iterator { Iterator(server: server, limit: limit) }
    }
}
