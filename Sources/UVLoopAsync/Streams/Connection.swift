public import UVLoop

/// A connected byte stream for tasks: a unix socket, a TCP connection or the end of a pipe.
///
/// Reading has real back-pressure: while nobody asks, 64 KiB at most wait here, and the rest in the kernel. A write
/// waits as long as more than ``highWaterMark`` bytes are queued. Errors are ``/UVLoop/UVError``; a canceled task gets
/// ``/UVLoop/UVError/canceled``, and nothing of the connection is lost by that. End it by ``finish(deadline:)``, which
/// loses nothing, or by ``close()``; one that is let go of without either is finished in the background.
public actor Connection: LoopActor {
    /// Whose loop it is.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// The stream: for its options, on the executor. Do not read from it or write to it.
    public var stream: UVLoop.Stream { held.value }
    private let held: Handover<UVLoop.Stream>

    /// What has come and was not asked for.
    private var chunks: [[UInt8]] = []
    private var chunkByteCount = 0
    private var end: Result<Void, UVError>?
    private var isReading = false
    private var hasBegun = false
    private var reader = Waiting<[UInt8]?>()
    /// Those that wait for the queue to be empty.
    private var writers: [(number: UInt64, continuation: UnsafeContinuation<Result<Void, UVError>, Never>)] = []
    private var lastWriter: UInt64 = 0
    private var onClose: (@Sendable () -> Void)?
    /// Bounds how long a conversation takes to end whose task was canceled.
    private var lingerTimer: Handover<TimerHandle>?

    /// How many bytes wait here, unasked, before reading pauses.
    private static let readLimit = 65536
    /// How long a connection that was let go of may take to send what is queued.
    private static let lingering = Duration.seconds(10)

    private init(_ stream: Handover<UVLoop.Stream>, on executor: LoopExecutor, _ onClose: (@Sendable () -> Void)?) {
        self.executor = executor
        held = stream
        self.onClose = onClose
    }

    /// Takes over a stream that nobody reads. On the executor.
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

    /// The size of the write queue, in bytes, from which on a write waits. Default 65536.
    public var highWaterMark: Int {
        get { stream.highWaterMark }
        set { stream.highWaterMark = newValue }
    }

    /// Bytes that were written and that the kernel has not taken yet.
    public var queuedByteCount: Int { stream.queuedByteCount }

    // MARK: Reading

    /// The bytes that come, in pieces as the kernel gives them, to the end of the stream. For one task at a time.
    public nonisolated var bytes: Bytes { Bytes(connection: self) }

    /// The lines that come, to the end of the stream. For one task at a time.
    ///
    /// - Parameter longest: in bytes, newline included; a longer one ends the sequence with
    ///   ``/UVLoop/UVError/messageTooLong``.
    public nonisolated func lines(longest: Int = 1 << 24) -> Lines { Lines(connection: self, longest: longest) }

    /// The next bytes; nil at the end of the stream.
    ///
    /// - Throws: ``/UVLoop/UVError/busy`` if another task reads; ``/UVLoop/UVError/canceled`` if the task is canceled,
    ///   or the connection closed; else what the stream ended with.
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
        // What fails here fails at the next read.
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

    /// Writes bytes: returns when the kernel or the queue has taken them, and the queue is below the mark. A task that is
    /// canceled while it waits gets ``/UVLoop/UVError/canceled``; the bytes are written all the same.
    ///
    /// - Throws: what a write failed with, this one or one before: ``/UVLoop/UVError/brokenPipe`` and its like.
    public func write(_ bytes: [UInt8]) async throws(UVError) { try await submit { stream.write(bytes) } }

    /// Writes a text's UTF-8, as above.
    public func write(_ text: String) async throws(UVError) { try await submit { stream.write(text) } }

    /// Writes several runs of bytes in order, as above, without a copy of all.
    public func write(parts: [[UInt8]]) async throws(UVError) { try await submit { stream.write(parts: parts) } }

    private func submit(_ write: () -> Bool) async throws(UVError) {
        guard !stream.isClosing else { throw .canceled }
        guard !stream.isShutDown else { throw .brokenPipe }
        if let error = stream.writeError { throw error }
        let isBelowMark = write()
        if let error = stream.writeError { throw error }
        if !isBelowMark { try await drained() }
    }

    /// Returns when everything that was written has been taken by the kernel.
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
            $0.cancelWriter(number)
        }
    }

    private func wait(_ continuation: UnsafeContinuation<Result<Void, UVError>, Never>, _ number: UInt64) {
        if let error = stream.writeError { return continuation.resume(returning: .failure(error)) }
        guard !stream.isClosing else { return continuation.resume(returning: .failure(.canceled)) }
        guard stream.queuedByteCount > 0 else { return continuation.resume(returning: .success(())) }
        if stream.onDrain == nil {
            stream.onDrain = { [weak self] _ in self?.assumeIsolated { $0.resumeWriters(.success(())) } }
            stream.onWriteError = { [weak self] _, error in
                self?.assumeIsolated { $0.resumeWriters(.failure(error)) }
            }
        }
        writers.append((number, continuation))
    }

    private func cancelWriter(_ number: UInt64) {
        guard let index = writers.firstIndex(where: { $0.number == number }) else { return }
        writers.remove(at: index).continuation.resume(returning: .failure(.canceled))
    }

    private func resumeWriters(_ result: Result<Void, UVError>) {
        let waiting = writers
        writers = []
        for writer in waiting { writer.continuation.resume(returning: result) }
    }

    // MARK: The end

    /// Sends what is queued, then the end of the stream; reading goes on. What is written afterwards fails with
    /// ``/UVLoop/UVError/brokenPipe``. A canceled task gets ``/UVLoop/UVError/canceled``; the end is sent all the same.
    public func finishWriting() async throws(UVError) {
        let stream = stream
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            // By another task, perhaps a moment ago.
            guard !stream.isClosing else { return end.end(.failure(.canceled)) }
            stream.shutdown { end.end($0.map { .failure($0) } ?? .success(())) }
        }
    }

    /// Ends the conversation in order: sends what is queued, then the end of the stream, drops what comes until the peer has
    /// finished too, and closes.
    ///
    /// A canceled task gets ``/UVLoop/UVError/canceled`` at once. The connection still ends in order, in the background, for ten
    /// seconds at most: what was written is not lost by a cancellation.
    ///
    /// - Parameter deadline: how long that may take; then the connection is closed as it is.
    /// - Throws: ``/UVLoop/UVError/timedOut`` after the deadline; ``/UVLoop/UVError/canceled`` if it was closed before, or
    ///   the task is canceled; else the error of the stream.
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

    /// A conversation that is ending, and that nobody waits for any more, gets this much time and no more.
    private func closeLater(within time: Duration) {
        guard !stream.isClosing else { return }
        let timer = TimerHandle(on: stream.loop)
        lingerTimer = Handover(timer)
        timer.start(after: time) { [weak self] _ in self?.assumeIsolated { $0.closeNow() } }
    }

    /// Closes the connection at once: what is queued is lost, and whoever waits gets ``/UVLoop/UVError/canceled``.
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
        resumeWriters(.failure(.canceled))
        let onClose = onClose
        self.onClose = nil
        onClose?()
    }
}
