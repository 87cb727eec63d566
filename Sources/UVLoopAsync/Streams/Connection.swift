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

    /// The bytes received, and the task that reads: Connection+Reading.swift.
    nonisolated let incoming = Lock(Incoming())
    var hasBegunReading = false
    /// The stream's writing side for other threads: Connection+Writing.swift.
    nonisolated let remote: StreamRemote
    /// The tasks that wait for the write queue to be empty.
    var writers = WaitingList<Void, UVError>()
    var lastWriter: UInt64 = 0
    private var onClose: (@Sendable () -> Void)?
    /// The timer that bounds the end of a connection whose task was canceled.
    private var lingerTimer: Handover<TimerHandle>?

    /// The time that a released connection has to send its queued bytes.
    private static let lingering = Duration.seconds(10)

    private init(_ stream: Handover<UVLoop.Stream>, on executor: LoopExecutor, _ onClose: (@Sendable () -> Void)?) {
        self.executor = executor
        held = stream
        remote = stream.value.makeRemote()
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
    /// peer has finished too, and closes. A task that reads gets ``/UVLoop/UVError/canceled`` after the bytes that wait
    /// here.
    ///
    /// A canceled task gets ``/UVLoop/UVError/canceled`` at once. The connection still ends in order, in the
    /// background, for ten seconds at most: a cancellation loses no written bytes.
    ///
    /// - Parameter deadline: the longest time for that; then the connection is closed as it is.
    /// - Throws: ``/UVLoop/UVError/timedOut`` after the deadline; ``/UVLoop/UVError/canceled`` if the connection was
    ///   closed before, or the task is canceled; else the error of the stream.
    public func finish(deadline: Duration = .seconds(30)) async throws(UVError) {
        guard !Task.isCancelled else {
            if !stream.isClosing { finishStream(within: min(deadline, Connection.lingering)) }
            throw .canceled
        }
        let stream = stream
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            guard !stream.isClosing else { return end.end(.failure(.canceled)) }
            finishStream(within: deadline) { end.end($0.map { .failure($0) } ?? .success(())) }
        } onCancel: {
            $0.closeLater(within: Connection.lingering)
        }
    }

    private func finishStream(within deadline: Duration, then completion: @escaping (UVError?) -> Void = { _ in }) {
        // Nothing pauses the stream from here on.
        readingEnded(.failure(.canceled))
        stream.finish(deadline: deadline) { [self] error in
            self.assumeIsolated { $0.closed() }
            completion(error)
        }
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

    func closed() {
        lingerTimer?.value.close()
        lingerTimer = nil
        readingEnded(.failure(.canceled))
        writers.resumeAll(.failure(.canceled))
        let onClose = onClose
        self.onClose = nil
        onClose?()
    }
}
