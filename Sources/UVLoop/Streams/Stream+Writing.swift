internal import CLibUV

extension Stream {
    /// The bytes that were written but that the kernel has not taken yet. Mirrors `uv_stream_get_write_queue_size`.
    public final var queuedByteCount: Int {
        queue.waitingByteCount + (queue.isWriting ? uv_stream_get_write_queue_size(raw.stream) : 0)
    }

    /// The bytes that the kernel has taken so far, from the first write on. Exact while the stream is healthy; once a
    /// write has failed, an upper bound, because libuv does not tell how much of the failed write was taken.
    public final var acceptedByteCount: UInt64 {
        // While other threads may write, nothing is queued.
        guard queue.isWriting, !isClosing else { return queue.finished + remoteByteCount }
        return queue.acceptedByteCount(unwritten: uv_stream_get_write_queue_size(raw.stream))
    }

    /// Writes `bytes`, or queues those that the kernel does not take at once; they need not outlive the call.
    ///
    /// `completion` runs once, on a later tick: with nil when the kernel has taken every byte (which does not mean that
    /// the peer has read them), else with the error. After an error every further write fails with it; so does a write
    /// on a stream that could not connect, or that the loop has closed. ``UVError/outOfMemory``: the queue cannot grow,
    /// and the bytes were not taken, or in part. Before the connect has completed, everything is queued. Mirrors
    /// `uv_try_write` and `uv_write`.
    ///
    /// - Returns: true if the queue is below ``highWaterMark``; if false, wait for ``onDrain``.
    @discardableResult
    public final func write(_ bytes: RawSpan, completion: ((UVError?) -> Void)? = nil) -> Bool {
        bytes.withUnsafeBytes { write($0, completion: completion) }
    }

    /// Writes `bytes`, as above.
    @discardableResult
    public final func write(_ bytes: [UInt8], completion: ((UVError?) -> Void)? = nil) -> Bool {
        bytes.withUnsafeBytes { write($0, completion: completion) }
    }

    /// Writes the UTF-8 bytes of a text, as above.
    @discardableResult
    public final func write(_ text: String, completion: ((UVError?) -> Void)? = nil) -> Bool {
        var text = text
        return text.withUTF8 { write(UnsafeRawBufferPointer($0), completion: completion) }
    }

    /// Writes several runs of bytes in order, as above; if the kernel takes them, by one system call for every 64. For
    /// a header and a body without a copy of both.
    @discardableResult
    public final func write(parts: [[UInt8]], completion: ((UVError?) -> Void)? = nil) -> Bool {
        var rest = parts[...]
        while rest.count > Stream.partsPerCall {
            write(rest.prefix(Stream.partsPerCall), completion: nil)
            rest = rest.dropFirst(Stream.partsPerCall)
        }
        return write(rest, completion: completion)
    }

    /// Writes `bytes`, as above, even when a shutdown waits for them.
    final func writeBeforeShutdown(_ bytes: [UInt8], completion: @escaping (UVError?) -> Void) {
        bytes.withUnsafeBytes { bytes in
            withUnsafePointer(to: bytes) {
                _ = write(UnsafeBufferPointer(start: $0, count: 1), isBeforeShutdown: true, completion: completion)
            }
        }
    }

    private static let partsPerCall = 64

    @discardableResult
    private func write(_ parts: ArraySlice<[UInt8]>, completion: ((UVError?) -> Void)?) -> Bool {
        withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: parts.count) { pointers in
            Stream.lend(parts, pointers[...]) {
                write(UnsafeBufferPointer(pointers), completion: completion)
            }
        }
    }

    /// Calls `body` while the memory of every part is valid.
    private static func lend<Result>(
        _ parts: ArraySlice<[UInt8]>, _ pointers: Slice<UnsafeMutableBufferPointer<UnsafeRawBufferPointer>>,
        _ body: () -> Result,
    ) -> Result {
        guard let first = parts.first else { return body() }
        return first.withUnsafeBytes { bytes in
            var pointers = pointers
            pointers[pointers.startIndex] = bytes
            return lend(parts.dropFirst(), pointers.dropFirst(), body)
        }
    }

    /// Allocates the memory that a write of so many bytes needs if the kernel takes none of them, so that the next
    /// write cannot fail half done for want of memory.
    ///
    /// - Returns: false if there is no such memory; the stream is unharmed.
    public final func makeRoom(forWriting byteCount: Int) -> Bool {
        guard mayWrite() else { return false }
        return queue.reserve(byteCount)
    }

    /// Writes as much of `bytes` as the kernel takes at once; never queues the rest.
    ///
    /// - Returns: the number of bytes taken, from the front; 0 if the kernel's buffer is full, or something is queued.
    /// - Throws: ``UVError/brokenPipe`` and its like. Mirrors `uv_try_write`.
    public final func tryWrite(_ bytes: RawSpan) throws(UVError) -> Int {
        guard mayWrite() else { throw queue.error ?? .canceled }
        takeBackWriting()
        defer { lendWriting() }
        let taken = bytes.withUnsafeBytes { bytes in
            withUnsafePointer(to: bytes) { tryWrite(UnsafeBufferPointer(start: $0, count: 1)) }
        }
        if let error = queue.error { throw error }
        queue.submit(taken: taken)
        return taken
    }

    /// True if the stream can be written to; false if another than its owner has closed it.
    private func mayWrite(isBeforeShutdown: Bool = false) -> Bool {
        guard isUsable("\(publicName).write: the stream is closed") else { return false }
        require(isBeforeShutdown || !isShutDown, "\(publicName).write: after shutdown")
        return true
    }

    private func write(_ bytes: UnsafeRawBufferPointer, completion: ((UVError?) -> Void)?) -> Bool {
        withUnsafePointer(to: bytes) {
            write(UnsafeBufferPointer(start: $0, count: 1), completion: completion)
        }
    }

    private func write(
        _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, isBeforeShutdown: Bool = false,
        completion: ((UVError?) -> Void)?,
    ) -> Bool {
        guard mayWrite(isBeforeShutdown: isBeforeShutdown) else {
            let error = queue.error ?? .canceled
            if let completion { loop.onNextTick { completion(error) } }
            return false
        }
        takeBackWriting()
        defer { lendWriting() }
        return writeNow(parts, completion: completion)
    }

    /// The same for a stream that can be written to, and whose writing side no other thread uses.
    final func writeNow(
        _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, completion: ((UVError?) -> Void)?,
    ) -> Bool {
        let taken = tryWrite(parts)
        switch queue.submit(parts, taken: taken, completion: completion) {
        case .taken: scheduleDelivery()
        case .queued: flush()
        case .failed:
            scheduleDelivery()
            return false
        case .outOfMemory:
            tellWriteError(.outOfMemory)
            scheduleDelivery()
            return false
        }
        return queuedByteCount < highWaterMark
    }

    /// Writes as much as the kernel takes at once, often only part (H24), and returns the count; 0 while something is
    /// queued ahead. An error is kept in the queue.
    private func tryWrite(_ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int {
        // libuv aborts on a write of no buffers, and needs none of no bytes (H26).
        guard queue.isClear, parts.contains(where: { !$0.isEmpty }) else { return 0 }
        let status = withUnsafeTemporaryAllocation(of: uv_buf_t.self, capacity: parts.count) { buffers in
            for (index, part) in parts.enumerated() { buffers[index] = uv_buf_t(part) }
            return loop.withoutBrokenPipe { uv_try_write(raw.stream, buffers.baseAddress, UInt32(parts.count)) }
        }
        if status >= 0 {
            queue.took(Int(status))
            idling?.noteActivity()
            return Int(status)
        }
        if status != UV_EAGAIN.rawValue { fail(UVError(rawValue: status)) }
        return 0
    }

    /// Gives libuv the queued bytes, as one write, unless it is writing already; once the queue is empty, the shutdown.
    /// Does nothing before the connect has succeeded (H18, H19: a write then fails, a shutdown never completes).
    final func flush() {
        guard queue.isOpen, !queue.isWriting, !isClosing else { return }
        // An active stream has its watch already.
        if queue.waitingByteCount > 0, !isActive, let descriptor {
            do throws(UVError) { try Watches.reserve(descriptor, on: loop.raw) } catch {
                return error == .noSpace || error.isShortage ? flushLater() : failFlush(error)
            }
        }
        guard let bytes = queue.startWriting() else { return shutdownNow() }
        let request = request ?? .allocate(capacity: 1)
        self.request = request
        request.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        var buffer = uv_buf_t(bytes)
        do throws(UVError) {
            try check(
                loop.withoutBrokenPipe {
                    uv_write(request, raw.stream, &buffer, 1) { request, status in
                        let stream: Stream = object(request!.pointee.data)
                        stream.wrote(failure(status))
                    }
                })
        } catch {
            // libuv has refused the request, so no callback comes.
            failFlush(error)
        }
    }

    private func failFlush(_ error: UVError) {
        fail(error)
        scheduleDelivery()
        loop.onNextTick { self.finishShutdown(error) }
    }

    /// Retries the flush later: watches or memory have run out, of the user or the system.
    private func flushLater() {
        let retries = flushRetries ?? Backoff(from: .milliseconds(50), to: .milliseconds(50), on: loop)
        flushRetries = retries
        retries.start(isReferenced: isReferenced) { [unowned self] in flush() }
    }

    private func wrote(_ failure: UVError?) {
        guard !isClosing else { return }
        queue.wrote(failure)
        idling?.noteActivity()
        if let failure { tellWriteError(failure) }
        deliver()
        guard !isClosing else { return }
        // An error also remains if later bytes found no memory.
        if let error = queue.error { return finishShutdown(error) }
        flush()
        guard !queue.isWriting, queue.error == nil else { return }
        lendWriting()
        onDrain?(self)
    }

    /// Ends the writing side, and reports the error.
    final func fail(_ error: UVError) {
        queue.fail(error)
        tellWriteError(error)
    }

    private func tellWriteError(_ error: UVError) {
        loop.onNextTick {
            guard !self.isClosing, let onWriteError = self.onWriteError.take() else { return }
            onWriteError(self, error)
        }
    }

    /// Schedules the completions for the next tick, since a completion never runs inside the call that requested it.
    /// All of them take this way, so that they keep the order of the writes, whether the kernel took these at once or
    /// later.
    final func scheduleDelivery() {
        guard queue.scheduleDelivery() else { return }
        loop.onNextTick {
            self.queue.deliveryBegins()
            self.deliver()
        }
    }

    /// Calls the completions of the writes that have ended, in order, each once. Writes made by these completions
    /// complete on the next tick: a producer that writes from its completions must not keep the loop.
    final func deliver() {
        var left = queue.completionCount
        while left > 0, let completion = queue.takeCompletion() {
            left -= 1
            completion.run(completion.error)
        }
    }
}
