public import UVLoop

extension Connection {
    /// Connects to a TCP port of a host, which may have several addresses: the first that answers wins (RFC 8305).
    ///
    /// - Parameters:
    ///   - host: a name, `localhost`, or an IP literal.
    ///   - port: 1 to 65535.
    ///   - time: how long all of it may take; nil: as long as the system tries, which is minutes.
    ///   - resolver: who is asked for the addresses.
    ///   - executor: whose loop it is.
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
                    // A failed one is closing already.
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
    /// - Throws: what ``/UVLoop/PipeStream/init(takingOwnershipOf:on:)`` throws; the descriptor stays the caller's
    ///   then.
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

    /// Calls `body` with a connection to a host's TCP port, and ends it in order when that returns or throws: what was written
    /// is sent, also if the task is canceled.
    public static func with<Value: Sendable>(
        _ host: String, port: Int, on executor: LoopExecutor, finishingWithin deadline: Duration = .seconds(30),
        _ body: (Connection) async throws -> Value,
    ) async throws -> Value {
        try await connect(to: host, port: port, on: executor).whileOpen(finishingWithin: deadline, body)
    }

    /// Calls `body`, and ends the connection in order when that returns or throws: what was written is sent. If the task is
    /// canceled, this returns at once, and the connection ends in order in the background; see ``finish(deadline:)``.
    ///
    /// - Throws: what `body` throws, else what ended the connection before all was sent.
    public nonisolated func whileOpen<Value: Sendable>(
        finishingWithin deadline: Duration = .seconds(30), _ body: (Connection) async throws -> Value,
    ) async throws -> Value {
        let value: Value
        do {
            value = try await body(self)
        } catch {
            // The first error is the one to tell.
            try? await finish(deadline: deadline)
            throw error
        }
        do throws(UVError) {
            try await finish(deadline: deadline)
        } catch {
            // Closed by `body` itself, which is its own affair.
            if error != .canceled || Task.isCancelled { throw error }
        }
        return value
    }
}
