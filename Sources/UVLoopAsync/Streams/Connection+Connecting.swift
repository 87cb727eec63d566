public import UVLoop

extension Connection {
    /// Connects to a TCP port of a host, which may have several addresses: the first that answers wins (RFC 8305).
    ///
    /// - Parameters:
    ///   - host: a name, `localhost`, or an IP literal.
    ///   - port: 1 to 65535.
    ///   - time: the longest time for the whole connect; nil: as long as the system tries, which is minutes.
    ///   - resolver: the resolver of the host's addresses.
    ///   - executor: the executor whose loop is used.
    /// - Throws: ``/UVLoop/ConnectError``, with every attempt in it; its error is ``/UVLoop/UVError/canceled`` if the
    ///   task is canceled.
    public static func connect(
        to host: String, port: Int, within time: Duration? = .seconds(60), resolver: Resolver = .shared,
        on executor: LoopExecutor,
    ) async throws(ConnectError) -> Connection {
        try await OneShot<Connection, ConnectError>.run(on: executor, canceled: ConnectError(.canceled)) { loop, end in
            do throws(UVError) {
                let connect = try TCPConnect(toHost: host, port: port, resolver: resolver, within: time, on: loop) {
                    end.end($0.map { Connection.over($0, on: executor) })
                }
                end.onCancel = { connect.cancel() }
            } catch {
                end.end(.failure(ConnectError(error)))
            }
        }
    }

    /// Connects to an address: of a TCP port, or of a unix socket.
    ///
    /// - Throws: ``/UVLoop/UVError/connectionRefused``, ``/UVLoop/UVError/noEntry`` and their like;
    ///   ``/UVLoop/UVError/wouldBlock`` if a unix socket's backlog is full; ``/UVLoop/UVError/canceled``.
    public static func connect(
        to address: SocketAddress, on executor: LoopExecutor,
    ) async throws(UVError) -> Connection {
        try await OneShot<Connection, UVError>.run(on: executor, canceled: .canceled) { loop, end in
            do throws(UVError) {
                let connected: (UVLoop.Stream, UVError?) -> Void = { stream, error in
                    // A failed stream is closing already.
                    end.end(error.map { .failure($0) } ?? .success(Connection.over(stream, on: executor)))
                }
                let stream: UVLoop.Stream =
                    if let path = address.path {
                        try PipeStream(connectingTo: path, on: loop, completion: connected)
                    } else {
                        try TCPStream(connectingTo: address, on: loop, completion: connected)
                    }
                end.onCancel = { stream.close() }
            } catch {
                end.end(.failure(error))
            }
        }
    }

    /// Takes over an open descriptor: a connected socket, or the end of a pipe.
    ///
    /// - Throws: the errors of ``/UVLoop/PipeStream/init(takingOwnershipOf:on:)``; the descriptor then stays the
    ///   caller's.
    public static func take(descriptor: Int32, on executor: LoopExecutor) async throws(UVError) -> Connection {
        let result: Result<Connection, UVError> = try await executor.run { loop in
            do throws(UVError) {
                return .success(.over(try PipeStream(takingOwnershipOf: descriptor, on: loop), on: executor))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Calls `body` with a connection to a host's TCP port, and ends the connection in order when `body` returns or
    /// throws: bytes written are sent, even if the task is canceled.
    public static func with<Value: Sendable>(
        _ host: String, port: Int, on executor: LoopExecutor, finishingWithin deadline: Duration = .seconds(30),
        _ body: (Connection) async throws -> Value,
    ) async throws -> Value {
        try await connect(to: host, port: port, on: executor).whileOpen(finishingWithin: deadline, body)
    }

    /// Calls `body`, and ends the connection in order when `body` returns or throws: bytes written are sent. If the
    /// task is canceled, the call returns at once, and the connection ends in order in the background; see
    /// ``finish(deadline:)``.
    ///
    /// - Throws: the error of `body`, else the error that ended the connection before everything was sent.
    public nonisolated func whileOpen<Value: Sendable>(
        finishingWithin deadline: Duration = .seconds(30), _ body: (Connection) async throws -> Value,
    ) async throws -> Value {
        let value: Value
        do {
            value = try await body(self)
        } catch {
            // The first error is the one to throw.
            try? await finish(deadline: deadline)
            throw error
        }
        do throws(UVError) {
            try await finish(deadline: deadline)
        } catch {
            // The connection was closed by `body` itself, which is no error.
            if error != .canceled || Task.isCancelled { throw error }
        }
        return value
    }
}
