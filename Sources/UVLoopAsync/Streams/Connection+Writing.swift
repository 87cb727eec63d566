public import UVLoop

extension Connection {
    /// Writes bytes: returns when the kernel or the queue has taken them, and the queue is below the mark. A task
    /// canceled while it waits gets ``/UVLoop/UVError/canceled``; the bytes are written all the same.
    ///
    /// Bytes that the kernel takes at once are sent on the caller's thread.
    ///
    /// - Throws: the error of this write or an earlier one: ``/UVLoop/UVError/brokenPipe`` and its like.
    public nonisolated(nonsending) func write(_ bytes: [UInt8]) async throws(UVError) {
        switch bytes.withUnsafeBytes({ remote.send($0) }) {
        case .taken: return
        case .queued: try await queued()
        case .refused: try await writeOnLoop(bytes)
        }
    }

    /// Writes a text's UTF-8, as above.
    public nonisolated(nonsending) func write(_ text: String) async throws(UVError) {
        var text = text
        switch text.withUTF8({ remote.send(UnsafeRawBufferPointer($0)) }) {
        case .taken: return
        case .queued: try await queued()
        case .refused: try await writeOnLoop(text)
        }
    }

    /// Writes several runs of bytes in order, as above, without joining them in memory.
    public func write(parts: [[UInt8]]) async throws(UVError) { try await submit { stream.write(parts: parts) } }

    private func writeOnLoop(_ bytes: [UInt8]) async throws(UVError) { try await submit { stream.write(bytes) } }

    private func writeOnLoop(_ text: String) async throws(UVError) { try await submit { stream.write(text) } }

    private func submit(_ write: () -> Bool) async throws(UVError) {
        guard !stream.isClosing else { throw .canceled }
        guard !stream.isShutDown else { throw .brokenPipe }
        if let error = stream.writeError { throw error }
        let isBelowMark = write()
        if let error = stream.writeError { throw error }
        if !isBelowMark { try await drained() }
    }

    /// Waits, if it must, for a write of which the kernel took a part.
    private func queued() async throws(UVError) {
        guard !stream.isClosing else { throw .canceled }
        stream.settle()
        if let error = stream.writeError { throw error }
        if stream.queuedByteCount >= stream.highWaterMark { try await drained() }
    }

    /// Returns when the kernel has taken everything written.
    public func drain() async throws(UVError) {
        stream.settle()
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
}
