public import KeeperProtocol
public import UVKeeper
internal import UVLoop
internal import UVLoopAsync

/// A piece of the output of a session's child.
public enum OutputPiece: Hashable, Sendable {
    /// Bytes, and the offset of the first; they need not end with a line or a character.
    case bytes(ChildStream, offset: UInt64, [UInt8])
    /// Bytes are gone: they are older than the kept ones, or the disk did not take them.
    case gap(ChildStream, Range<UInt64>)
    /// The session has ended, and all its kept output was read; nil if it is not known how it ended. The last piece.
    case ended(SessionExit?)
}

/// The output of a session's child, past and future. The sequence goes on over broken connections and restarts of
/// keepers' clients; while no task asks, 256 KiB at most wait here, and the keeper keeps the rest.
public struct KeptOutput: AsyncSequence, Sendable {
    /// The reason why the output cannot be read.
    public typealias Failure = KeeperError
    let session: KeptSession
    let start: OutputStart
    let streams: [ChildStream]
    let follows: Bool

    /// The iterator of one task.
    public struct Iterator: AsyncIteratorProtocol {
        let reader: OutputReader

        /// The next piece; nil at the end: after ``OutputPiece/ended(_:)``, or, if the read does not follow, at the end
        /// of the kept output. A canceled task gets ``/UVKeeper/KeeperError/closed``.
        public mutating func next() async throws -> OutputPiece? { try await reader.next() }

        /// The next piece, as above, with the error's type.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(KeeperError) -> OutputPiece? {
            try await reader.next()
        }
    }

    /// Begins to read with the first `next`.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: OutputReader(self)) }
}

/// A read of a session's output.
actor OutputReader: LoopActor {
    /// The bytes that wait here before reading pauses.
    private static let limit = 262_144
    /// Pieces are joined up to this size: each takes memory of its own besides.
    private static let joinedByteCount = 4096

    nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let output: KeptOutput
    private var read: Handover<OutputRead>?
    private var pieces: [OutputPiece] = []
    private var first = 0
    private var byteCount = 0
    private var isPaused = false
    private var end: Result<Void, KeeperError>?
    private var taker: UnsafeContinuation<Result<OutputPiece?, KeeperError>, Never>?
    private var takerNumber: UInt64 = 0
    private var lastNumber: UInt64 = 0

    init(_ output: KeptOutput) {
        self.output = output
        executor = output.session.keepers.executor
    }

    deinit {
        executor.submit { [read] _ in read?.value.cancel() }
    }

    func next() async throws(KeeperError) -> OutputPiece? {
        if read == nil, end == nil { await begin() }
        if taker == nil, let piece = take() { return piece }
        lastNumber += 1
        let number = lastNumber
        return try await wait(canceled: .closed) {
            next($0, number)
        } onCancel: {
            $0.cancel(number)
        }
    }

    private func next(_ continuation: UnsafeContinuation<Result<OutputPiece?, KeeperError>, Never>, _ number: UInt64) {
        guard taker == nil else { return continuation.resume(returning: .failure(.closed)) }
        if let piece = take() { return continuation.resume(returning: .success(piece)) }
        if let end { return continuation.resume(returning: end.map { nil }) }
        taker = continuation
        takerNumber = number
    }

    private func begin() async {
        // The read begins on the same thread, so only other readers can come in between.
        let read = await output.session.keepers.read(
            output,
            onPiece: { [weak self] piece in self?.assumeIsolated { $0.put(piece) } },
            onEnd: { [weak self] result in self?.assumeIsolated { $0.finish(result) } })
        guard let read else { return end = .failure(.closed) }
        if self.read == nil, end == nil { self.read = read } else { read.value.cancel() }
    }

    private func take() -> OutputPiece? {
        guard first < pieces.count else { return nil }
        let piece = pieces[first]
        first += 1
        if first * 2 >= pieces.count {
            pieces.removeFirst(first)
            first = 0
        }
        if case .bytes(_, _, let bytes) = piece { byteCount -= bytes.count }
        if isPaused, byteCount < OutputReader.limit / 2 {
            isPaused = false
            read?.value.resume()
        }
        return piece
    }

    private func put(_ piece: OutputPiece) {
        if let taker = taker.take() { return taker.resume(returning: .success(piece)) }
        guard case .bytes(let stream, let offset, let bytes) = piece else { return pieces.append(piece) }
        if first < pieces.count, case .bytes(stream, let begin, let last)? = pieces.last,
            begin + UInt64(last.count) == offset, last.count + bytes.count <= OutputReader.joinedByteCount
        {
            pieces[pieces.count - 1] = .bytes(stream, offset: begin, last + bytes)
        } else {
            pieces.append(piece)
        }
        byteCount += bytes.count
        guard byteCount >= OutputReader.limit, !isPaused else { return }
        isPaused = true
        read?.value.pause()
    }

    private func finish(_ result: Result<Void, KeeperError>) {
        end = result
        taker.take()?.resume(returning: result.map { nil })
    }

    private func cancel(_ number: UInt64) {
        guard number == takerNumber else { return }
        taker.take()?.resume(returning: .failure(.closed))
    }
}

extension Keepers {
    /// Begins a read; the callbacks run on the executor, on later ticks. Nil when the keepers are closed.
    func read(
        _ output: KeptOutput, onPiece: @escaping @Sendable (OutputPiece) -> Void,
        onEnd: @escaping @Sendable (Result<Void, KeeperError>) -> Void,
    ) -> Handover<OutputRead>? {
        guard !isClosed else { return nil }
        let read = manager.session(output.session.id).read(
            output.streams, from: output.start, follows: output.follows,
            onBytes: { stream, offset, bytes in
                onPiece(.bytes(stream, offset: offset, bytes.withUnsafeBytes { [UInt8]($0) }))
            },
            onEvent: { event in
                switch event {
                case .gap(let stream, let range): onPiece(.gap(stream, range))
                case .finished: onEnd(.success(()))
                case .ended(let exit):
                    onPiece(.ended(exit))
                    onEnd(.success(()))
                case .failed(let error): onEnd(.failure(error))
                }
            })
        return Handover(read)
    }
}
