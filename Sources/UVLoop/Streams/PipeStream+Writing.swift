internal import CLibUV

extension PipeStream {
    /// Bytes that were written but that the kernel has not taken yet. Mirrors `uv_stream_get_write_queue_size`.
    public var queuedByteCount: Int {
        sending.waiting.count + (sending.inFlight.isEmpty ? 0 : uv_stream_get_write_queue_size(raw.stream))
    }

    /// Bytes the kernel has taken so far, from the first write on. Exact while the stream is healthy; once a write has
    /// failed, an upper bound, because libuv does not tell how much of the failed one was taken.
    public var acceptedByteCount: UInt64 {
        guard !sending.inFlight.isEmpty, !isClosing else { return sending.finished }
        return sending.finished + UInt64(sending.inFlight.count - uv_stream_get_write_queue_size(raw.stream))
    }

    /// Writes `bytes`, or queues what the kernel does not take at once; they need not outlive the call.
    ///
    /// `completion` runs once, on a later tick: with nil when the kernel has taken every byte (which is not to say that
    /// the peer has read them), else with the error. After an error every further write fails with it: so does one on a
    /// stream that could not connect, or that the loop has closed. ``UVError/outOfMemory``: the queue cannot grow, and the
    /// bytes were not taken, or in part. Before the connect has completed, everything is queued. Mirrors `uv_try_write` and
    /// `uv_write`.
    ///
    /// - Returns: whether the queue is below ``highWaterMark``. When false, wait for ``onDrain``.
    @discardableResult
    public func write(_ bytes: RawSpan, completion: ((UVError?) -> Void)? = nil) -> Bool {
        bytes.withUnsafeBytes { write($0, completion: completion) }
    }

    /// Writes `bytes`, as above.
    @discardableResult
    public func write(_ bytes: [UInt8], completion: ((UVError?) -> Void)? = nil) -> Bool {
        bytes.withUnsafeBytes { write($0, completion: completion) }
    }

    /// Takes the memory that a write of so many bytes needs if the kernel takes none of them, so that the next write does not
    /// fail half done for want of it.
    ///
    /// - Returns: false if there is no such memory; the stream is unharmed.
    public func makeRoom(forWriting byteCount: Int) -> Bool {
        guard mayWrite() else { return false }
        return sending.waiting.reserve(byteCount)
    }

    /// Writes as much of `bytes` as the kernel takes at once and queues nothing.
    ///
    /// - Returns: how many bytes were taken, from the front; 0 when the kernel's buffer is full, or something is queued.
    /// - Throws: ``UVError/brokenPipe`` and its like. Mirrors `uv_try_write`.
    public func tryWrite(_ bytes: RawSpan) throws(UVError) -> Int {
        guard mayWrite() else { throw sending.error ?? .canceled }
        let taken = bytes.withUnsafeBytes { tryWrite($0) }
        if let error = sending.error { throw error }
        sending.submitted += UInt64(taken)
        return taken
    }

    /// Finishes sending once everything queued has been taken; the peer then reads an end of stream. Reading goes on. That
    /// the kernel took everything is all it tells, not that the peer has read it (H28).
    ///
    /// `completion` runs once, on a later tick, after those of the writes. Writing afterwards is a programming error.
    /// Mirrors `uv_shutdown`, by `shutdown(2)`.
    public func shutdown(_ completion: ((UVError?) -> Void)? = nil) {
        guard isUsable("PipeStream.shutdown: the stream is closed") else {
            guard let completion else { return }
            let error = sending.error ?? .canceled
            return loop.onNextTick { completion(error) }
        }
        switch sending.finish {
        case .open:
            sending.finish = .requested(completion.map { [$0] } ?? [])
            if let error = sending.error {
                loop.onNextTick { self.finishShutdown(error) }
            } else {
                flush()
            }
        case .requested(var completions):
            if let completion { completions.append(completion) }
            sending.finish = .requested(completions)
        case .passedOn(var completions):
            if let completion { completions.append(completion) }
            sending.finish = .passedOn(completions)
        case .done(let error):
            if let completion { loop.onNextTick { completion(error) } }
        }
    }

    /// False for a stream that was closed by another than its owner.
    private func mayWrite() -> Bool {
        guard isUsable("PipeStream.write: the stream is closed") else { return false }
        guard case .open = sending.finish else { trap("PipeStream.write: after shutdown") }
        return true
    }

    private func write(_ bytes: UnsafeRawBufferPointer, completion: ((UVError?) -> Void)?) -> Bool {
        guard mayWrite() else {
            let error = sending.error ?? .canceled
            if let completion { loop.onNextTick { completion(error) } }
            return false
        }
        let taken = tryWrite(bytes)
        sending.submitted += UInt64(bytes.count)
        if let completion {
            sending.waiters.append(.init(end: sending.submitted, error: sending.error, completion: completion))
        }
        guard sending.error == nil else {
            scheduleDelivery()
            return false
        }
        if taken < bytes.count {
            guard sending.waiting.append(UnsafeRawBufferPointer(rebasing: bytes[taken...])) else {
                sending.dropWaiting(.outOfMemory)
                tellWriteError(.outOfMemory)
                scheduleDelivery()
                return false
            }
            flush()
        } else if sending.isOpen, sending.finished == sending.submitted {
            scheduleDelivery()
            return true
        }
        return queuedByteCount < highWaterMark
    }

    /// What the kernel takes at once, often only part (H24); 0 while something is queued ahead. Remembers an error in
    /// `sending.error`.
    private func tryWrite(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard sending.isOpen, sending.error == nil, sending.waiting.isEmpty, sending.inFlight.isEmpty else { return 0 }
        // libuv aborts on a write of no buffers and has no use for one of no bytes (H26).
        guard !bytes.isEmpty else { return 0 }
        var buffer = uv_buf_t(bytes)
        let status = loop.withoutBrokenPipe { uv_try_write(raw.stream, &buffer, 1) }
        if status >= 0 {
            sending.finished += UInt64(status)
            return Int(status)
        }
        if status != UV_EAGAIN.rawValue { fail(UVError(rawValue: status)) }
        return 0
    }

    private static let flushInterval = Duration.milliseconds(50)

    /// Hands libuv what has queued up, as one write, if it is not writing already; then the shutdown. Nothing before the
    /// connect has succeeded (H18, H19).
    func flush() {
        guard sending.isOpen, sending.error == nil, sending.inFlight.isEmpty, !isClosing else { return }
        guard !sending.waiting.isEmpty else { return shutdownNow() }
        // An active stream has its watch.
        if !isActive, let descriptor {
            do throws(UVError) { try Watches.reserve(descriptor, on: loop.raw) } catch {
                return error == .noSpace || error.isShortage ? flushLater() : failFlush(error)
            }
        }
        sending.startWriting()
        let request = sending.request ?? .allocate(capacity: 1)
        sending.request = request
        request.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        var buffer = uv_buf_t(UnsafeRawBufferPointer(sending.inFlight.bytes))
        do throws(UVError) {
            try check(
                loop.withoutBrokenPipe {
                    uv_write(request, raw.stream, &buffer, 1) { request, status in
                        let stream: PipeStream = object(request!.pointee.data)
                        stream.wrote(status)
                    }
                })
        } catch {
            // libuv has not taken the request, and no callback comes.
            failFlush(error)
        }
    }

    private func failFlush(_ error: UVError) {
        fail(error)
        scheduleDelivery()
        loop.onNextTick { self.finishShutdown(error) }
    }

    /// Watches or memory have run out, of the user or the system: what is queued waits until there are some again.
    private func flushLater() {
        do throws(UVError) {
            let timer: TimerHandle = if let flushTimer { flushTimer } else { try TimerHandle(on: loop) }
            flushTimer = timer
            if isReferenced { timer.ref() } else { timer.unref() }
            timer.start(after: PipeStream.flushInterval) { [weak self] _ in self?.flush() }
        } catch {
            trap("uv_timer_init does not fail: \(error)")
        }
    }

    private func wrote(_ status: CInt) {
        guard !isClosing else { return }
        let count = UInt64(sending.inFlight.count)
        if status < 0 {
            fail(UVError(rawValue: status))
            sending.finished += count
            deliver()
            if !isClosing { finishShutdown(sending.error) }
            return
        }
        sending.finished += count
        sending.inFlight.removeAll()
        deliver()
        guard !isClosing else { return }
        // Bytes that came after it found no memory.
        if let error = sending.error { return finishShutdown(error) }
        flush()
        if sending.inFlight.isEmpty, sending.error == nil { onDrain?(self) }
    }

    /// Ends the writing side, and says so to those who asked to be told.
    func fail(_ error: UVError) {
        sending.drop(error)
        tellWriteError(error)
    }

    private func tellWriteError(_ error: UVError) {
        loop.onNextTick {
            guard !self.isClosing, let onWriteError = self.onWriteError.take() else { return }
            onWriteError(self, error)
        }
    }

    /// Completions never run inside the call that requested them, and all of them take the same way, so that they keep
    /// the order of the writes whether the kernel took those at once or later.
    func scheduleDelivery() {
        guard !sending.isDeliveryScheduled, sending.firstWaiter < sending.waiters.count else { return }
        sending.isDeliveryScheduled = true
        loop.onNextTick {
            self.sending.isDeliveryScheduled = false
            self.deliver()
        }
    }

    /// Calls the completions of the writes that have ended, in order, each once. What those write meanwhile waits for the
    /// next tick: a producer that writes from its completions must not keep the loop.
    func deliver() {
        var left = sending.waiters.count - sending.firstWaiter
        while left > 0 {
            let index = sending.firstWaiter
            let error = sending.waiters[index].error
            guard error != nil || sending.isTaken(sending.waiters[index]) else { break }
            let completion = sending.waiters[index].completion.take()
            sending.firstWaiter += 1
            left -= 1
            completion?(error)
        }
        sending.dropDelivered()
    }

    /// By our own system call: nothing is queued any more, which is all that `uv_shutdown` would wait for.
    private func shutdownNow() {
        guard case .requested(let completions) = sending.finish, let descriptor else { return }
        let error = CLibUV.shutdown(descriptor, CInt(SHUT_WR)) == 0 ? nil : UVError(errno: uvkeeper_errno())
        guard !completions.isEmpty else { return sending.finish = .done(error) }
        sending.finish = .passedOn(completions)
        loop.onNextTick {
            // When it is closing, the shutdown ends with the close, after the writes.
            if !self.isClosing { self.finishShutdown(error) }
        }
    }

    func finishShutdown(_ error: UVError?) {
        // A write that goes on comes first.
        guard sending.finish.completions != nil, sending.inFlight.isEmpty else { return }
        // Writes that the kernel took at once may still wait for their tick.
        deliver()
        guard let completions = sending.finish.completions else { return }
        sending.finish = .done(error)
        for completion in completions { completion(error) }
    }
}

extension uv_buf_t {
    /// libuv's buffers are mutable by type; writes do not change them. Not by `uv_buf_init`, which counts in 32 bits.
    fileprivate init(_ bytes: UnsafeRawBufferPointer) {
        self.init()
        base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
        len = .init(bytes.count)
    }
}
