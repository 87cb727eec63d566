public import UVLoop

/// A connected byte stream for tasks: a unix socket, a TCP connection or the end of a pipe.
///
/// Reading has real back-pressure: while no task asks, 64 KiB at most wait here, and the rest in the kernel. A write
/// waits as long as more than ``highWaterMark`` bytes are queued. Errors are ``/UVLoop/UVError``; a canceled task gets
/// ``/UVLoop/UVError/canceled``, and no bytes of the connection are lost by that. End a connection by
/// ``finish(deadline:)``, which loses nothing, or by ``close()``; one that is released without either is finished in
/// the background.
public actor Connection: LoopActor {
    /// The executor whose loop is used.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// The stream: for its options, on the executor. Do not read from it or write to it.
    public var stream: UVLoop.Stream { held.value }
    private let held: Handover<UVLoop.Stream>

    /// The bytes received that no task has asked for yet.
    private var chunks: [[UInt8]] = []
    private var chunkByteCount = 0
    private var end: Result<Void, UVError>?
    private var isReading = false
    private var hasBegun = false
    private var reader = Waiting<[UInt8]?>()
    /// The tasks that wait for the write queue to be empty.
    private var writers = WaitingList<Void, UVError>()
    private var lastWriter: UInt64 = 0
    private var onClose: (@Sendable () -> Void)?
    /// The timer that bounds the end of a connection whose task was canceled.
    private var lingerTimer: Handover<TimerHandle>?

    /// The bytes that wait here before reading pauses.
    private static let readLimit = 65536
    /// The time that a released connection has to send its queued bytes.
    private static let lingering = Duration.seconds(10)

    private init(_ stream: Handover<UVLoop.Stream>, on executor: LoopExecutor, _ onClose: (@Sendable () -> Void)?) {
        self.executor = executor
        held = stream
        self.onClose = onClose
    }

    /// Takes over a stream that has no reader. Called on the executor.
    ///
    /// - Parameter onClose: called once, on the executor, when the stream has closed.
    static func over(
        _ stream: UVLoop.Stream, on executor: LoopExecutor, onClose: (@Sendable () -> Void)? = nil,
    ) -> Connection {
        Connection(Handover(stream), on: executor, onClose)
    }

    deinit {
        executor.submit { [held, onClose] _ in
            guard !held.value.isClosing else { return }
            held.value.finish(deadline: Connection.lingering) { _ in onClose?() }
        }
    }

    /// The size of the write queue, in bytes, above which a write waits. Default 65536.
    public var highWaterMark: Int {
        get { stream.highWaterMark }
        set { stream.highWaterMark = newValue }
    }

    /// Bytes written that the kernel has not taken yet.
    public var queuedByteCount: Int { stream.queuedByteCount }

    // MARK: Reading

    /// The bytes received, in pieces as the kernel gives them, to the end of the stream. For one task at a time.
    public nonisolated var bytes: Bytes { Bytes(connection: self) }

    /// The lines received, to the end of the stream. For one task at a time.
    ///
    /// - Parameter longest: the longest line in bytes, newline included; a longer one ends the sequence with
    ///   ``/UVLoop/UVError/messageTooLong``.
    public nonisolated func lines(longest: Int = 1 << 24) -> Lines { Lines(connection: self, longest: longest) }

    /// The next bytes; nil at the end of the stream.
    ///
    /// - Throws: ``/UVLoop/UVError/busy`` if another task reads; ``/UVLoop/UVError/canceled`` if the task is canceled,
    ///   or the connection closed; else the error with which the stream ended.
    public func read() async throws(UVError) -> [UInt8]? {
        if reader.isEmpty, let chunk = takeChunk() { return chunk }
        let number = reader.nextNumber()
        return try await wait(canceled: .canceled) {
            read($0, number)
        } onCancel: {
            $0.reader.cancel(number)
        }
    }

    private func read(_ continuation: Waiting<[UInt8]?>.Continuation, _ number: UInt64) {
        guard reader.isEmpty else { return continuation.resume(returning: .failure(.busy)) }
        if let chunk = takeChunk() { return continuation.resume(returning: .success(chunk)) }
        if let end { return continuation.resume(returning: end.map { nil }) }
        do throws(UVError) {
            try readOn()
            reader.set(continuation, number)
        } catch {
            continuation.resume(returning: .failure(error))
        }
    }

    private func takeChunk() -> [UInt8]? {
        guard !chunks.isEmpty else { return nil }
        let chunk = chunks.removeFirst()
        chunkByteCount -= chunk.count
        // A failure here is reported by the next read.
        if !isReading, end == nil, chunkByteCount < Connection.readLimit { try? readOn() }
        return chunk
    }

    private func readOn() throws(UVError) {
        guard !isReading else { return }
        if hasBegun {
            try stream.readResume()
        } else {
            try stream.readStart(
                onBytes: { [weak self] _, bytes in self?.assumeIsolated { $0.received(Array(bytes)) } },
                onEnd: { [weak self] _, error in self?.assumeIsolated { $0.ended(error) } })
            hasBegun = true
        }
        isReading = true
    }

    private func received(_ chunk: [UInt8]) {
        guard reader.isEmpty else { return reader.resume(.success(chunk)) }
        chunks.append(chunk)
        chunkByteCount += chunk.count
        guard chunkByteCount >= Connection.readLimit else { return }
        stream.readStop()
        isReading = false
    }

    private func ended(_ error: UVError?) {
        isReading = false
        end = error.map { .failure($0) } ?? .success(())
        reader.resume(error.map { .failure($0) } ?? .success(nil))
        if error == .canceled { closed() }
    }

    // MARK: Writing

    /// Writes bytes: returns when the kernel or the queue has taken them, and the queue is below the mark. A task
    /// canceled while it waits gets ``/UVLoop/UVError/canceled``; the bytes are written all the same.
    ///
    /// - Throws: the error of this write or an earlier one: ``/UVLoop/UVError/brokenPipe`` and its like.
    public func write(_ bytes: [UInt8]) async throws(UVError) { try await submit { stream.write(bytes) } }

    /// Writes a text's UTF-8, as above.
    public func write(_ text: String) async throws(UVError) { try await submit { stream.write(text) } }

    /// Writes several runs of bytes in order, as above, without joining them in memory.
    public func write(parts: [[UInt8]]) async throws(UVError) { try await submit { stream.write(parts: parts) } }

    private func submit(_ write: () -> Bool) async throws(UVError) {
        guard !stream.isClosing else { throw .canceled }
        guard !stream.isShutDown else { throw .brokenPipe }
        if let error = stream.writeError { throw error }
        let isBelowMark = write()
        if let error = stream.writeError { throw error }
        if !isBelowMark { try await drained() }
    }

    /// Returns when the kernel has taken everything written.
    public func drain() async throws(UVError) {
        guard stream.queuedByteCount > 0 else { return }
        try await drained()
    }

    private func drained() async throws(UVError) {
        lastWriter += 1
        let number = lastWriter
        try await wait(canceled: .canceled) {
            wait($0, number)
        } onCancel: {
            $0.writers.cancel(number, with: .canceled)
        }
    }

    private func wait(_ continuation: UnsafeContinuation<Result<Void, UVError>, Never>, _ number: UInt64) {
        if let error = stream.writeError { return continuation.resume(returning: .failure(error)) }
        guard !stream.isClosing else { return continuation.resume(returning: .failure(.canceled)) }
        guard stream.queuedByteCount > 0 else { return continuation.resume(returning: .success(())) }
        if stream.onDrain == nil {
            stream.onDrain = { [weak self] _ in self?.assumeIsolated { $0.writers.resumeAll(.success(())) } }
            stream.onWriteError = { [weak self] _, error in
                self?.assumeIsolated { $0.writers.resumeAll(.failure(error)) }
            }
        }
        writers.add(continuation, number)
    }

    // MARK: The end

    /// Sends the queued bytes, then the end of the stream; reading goes on. Later writes fail with
    /// ``/UVLoop/UVError/brokenPipe``. A canceled task gets ``/UVLoop/UVError/canceled``; the end is sent all the same.
    public func finishWriting() async throws(UVError) {
        let stream = stream
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            // Another task may have closed the stream a moment ago.
            guard !stream.isClosing else { return end.end(.failure(.canceled)) }
            stream.shutdown { end.end($0.map { .failure($0) } ?? .success(())) }
        }
    }

    /// Ends the connection in order: sends the queued bytes, then the end of the stream, drops incoming bytes until the
    /// peer has finished too, and closes.
    ///
    /// A canceled task gets ``/UVLoop/UVError/canceled`` at once. The connection still ends in order, in the
    /// background, for ten seconds at most: a cancellation loses no written bytes.
    ///
    /// - Parameter deadline: the longest time for that; then the connection is closed as it is.
    /// - Throws: ``/UVLoop/UVError/timedOut`` after the deadline; ``/UVLoop/UVError/canceled`` if the connection was
    ///   closed before, or the task is canceled; else the error of the stream.
    public func finish(deadline: Duration = .seconds(30)) async throws(UVError) {
        guard !Task.isCancelled else {
            finishInBackground(within: min(deadline, Connection.lingering))
            throw .canceled
        }
        let stream = stream
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            guard !stream.isClosing else { return end.end(.failure(.canceled)) }
            stream.finish(deadline: deadline) { [self] error in
                self.assumeIsolated { $0.closed() }
                end.end(error.map { .failure($0) } ?? .success(()))
            }
        } onCancel: {
            $0.closeLater(within: Connection.lingering)
        }
    }

    private func finishInBackground(within deadline: Duration) {
        guard !stream.isClosing else { return }
        stream.finish(deadline: deadline) { [self] _ in self.assumeIsolated { $0.closed() } }
    }

    /// Closes the connection after a time: it is ending, and no task waits for that any more.
    private func closeLater(within time: Duration) {
        guard !stream.isClosing else { return }
        let timer = TimerHandle(on: stream.loop)
        lingerTimer = Handover(timer)
        timer.start(after: time) { [weak self] _ in self?.assumeIsolated { $0.closeNow() } }
    }

    /// Closes the connection at once: queued bytes are lost, and waiting tasks get ``/UVLoop/UVError/canceled``.
    /// Returns when the descriptor is closed. Idempotent.
    public func close() { closeNow() }

    private func closeNow() {
        stream.close()
        closed()
    }

    private func closed() {
        lingerTimer?.value.close()
        lingerTimer = nil
        if end == nil { end = .failure(.canceled) }
        reader.resume(.failure(.canceled))
        writers.resumeAll(.failure(.canceled))
        let onClose = onClose
        self.onClose = nil
        onClose?()
    }
}
