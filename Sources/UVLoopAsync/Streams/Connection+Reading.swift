public import UVLoop

extension Connection {
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
    public nonisolated(nonsending) func read() async throws(UVError) -> [UInt8]? {
        let (chunk, mustRead, number) = incoming.withLock { incoming in
            let (chunk, mustRead) = incoming.take()
            return (chunk, mustRead, chunk == nil ? incoming.nextNumber() : 0)
        }
        if mustRead { readOn() }
        if let chunk { return chunk }
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { wait($0, number) }
        } onCancel: {
            cancelRead(number)
        }
        // ThreadSanitizer does not see how the runtime hands bytes to a task that has not stopped to wait yet. It knows
        // this lock, which the other thread had before.
        incoming.withLock { _ in }
        return try result.get()
    }

    private nonisolated func wait(_ continuation: Incoming.Continuation, _ number: UInt64) {
        let (outcome, mustRead) = incoming.withLock { $0.wait(continuation, number) }
        if mustRead { readOn() }
        if let outcome { return continuation.resume(returning: outcome) }
        // A cancellation before the wait found nothing to cancel.
        if Task.isCancelled { cancelRead(number) }
    }

    private nonisolated func cancelRead(_ number: UInt64) {
        incoming.withLock { $0.cancel(number) }?.resume(returning: .failure(.canceled))
    }

    // MARK: The loop's side

    /// Lets the stream read, now or soon.
    private nonisolated func readOn() {
        if executor.isOnThread { return assumeIsolated { $0.startReading() } }
        let isTaken = executor.submit { [self] _ in assumeIsolated { $0.startReading() } }
        if !isTaken { readingEnded(.failure(.canceled)) }
    }

    private func startReading() {
        guard !stream.isClosing else { return readingEnded(.failure(.canceled)) }
        do throws(UVError) {
            if hasBegunReading { return try stream.readResume() }
            try stream.readStart(
                onBytes: { [weak self] _, bytes in self?.received(Array(bytes)) },
                onEnd: { [weak self] _, error in
                    self?.readingEnded(error.map { .failure($0) } ?? .success(()))
                    if error == .canceled { self?.assumeIsolated { $0.closed() } }
                })
            hasBegunReading = true
        } catch {
            incoming.withLock { $0.readingFailed() }?.resume(returning: .failure(error))
        }
    }

    private nonisolated func received(_ chunk: [UInt8]) {
        let (reader, mustPause) = incoming.withLock { $0.add(chunk) }
        if mustPause { assumeIsolated { $0.stream.readStop() } }
        reader?.resume(returning: .success(chunk))
    }

    /// Ends the reading side; does nothing the second time.
    nonisolated func readingEnded(_ end: Result<Void, UVError>) {
        incoming.withLock { $0.finish(end) }?.resume(returning: end.map { nil })
    }
}
