internal import CLibUV

extension Stream {
    /// Finishes sending once everything queued has been taken; the peer then reads an end of stream. Reading goes on.
    /// Success means that the kernel took all bytes, not that the peer has read them (H28).
    ///
    /// A socket is shut down for writing. The write end of a pipe is closed, and the stream with it; to the reader that
    /// is the same. A terminal cannot finish sending: the call only waits for the queue.
    ///
    /// `completion` runs once, on a later tick, after those of the writes. Writing afterwards is a programming error.
    /// Mirrors `uv_shutdown`, by `shutdown(2)`.
    public final func shutdown(_ completion: ((UVError?) -> Void)? = nil) {
        guard isUsable("\(publicName).shutdown: the stream is closed") else {
            guard let completion else { return }
            let error = hasFinished ? nil : queue.error ?? .canceled
            return loop.onNextTick { completion(error) }
        }
        takeBackWriting()
        switch queue.finish {
        case .open:
            queue.finish = .requested(completion.map { [$0] } ?? [])
            if let error = queue.error {
                loop.onNextTick { self.finishShutdown(error) }
            } else {
                flush()
            }
        case .requested(var completions):
            if let completion { completions.append(completion) }
            queue.finish = .requested(completions)
        case .passedOn(var completions):
            if let completion { completions.append(completion) }
            queue.finish = .passedOn(completions)
        case .done(let error):
            if let completion { loop.onNextTick { completion(error) } }
        }
    }

    /// True if ``shutdown(_:)`` or ``finish(deadline:_:)`` was called; writing is a programming error from then on.
    public final var isShutDown: Bool { if case .open = queue.finish { false } else { true } }

    /// True if a shutdown has succeeded.
    private var hasFinished: Bool { if case .done(nil) = queue.finish { true } else { false } }

    /// Ends the conversation in order: sends the queued bytes, finishes sending, reads on until the peer has finished
    /// too, and closes. Reading goes on even if it was paused, since a close with bytes unread would be a reset for the
    /// peer (H29). Arriving bytes are given to the callbacks of ``readStart(onBytes:onEnd:)``, which must not answer
    /// any more (``isShutDown``); they are dropped if there are none.
    ///
    /// - Parameters:
    ///   - deadline: the longest time for this from now on; past it the stream is closed as it is.
    ///   - completion: runs once, after the close: with nil if the peer has finished too, ``UVError/timedOut`` after
    ///     the deadline, ``UVError/canceled`` if the stream was closed by anybody before, else the error of the stream.
    public final func finish(deadline: Duration, _ completion: ((UVError?) -> Void)? = nil) {
        guard isUsable("\(publicName).finish: the stream is closed") else {
            if let completion { loop.onNextTick { completion(.canceled) } }
            return
        }
        if let finishing {
            if let completion { finishing.completions.append(completion) }
            return
        }
        let finishing = Finishing(self, deadline, completion)
        self.finishing = finishing
        shutdown { [weak finishing] in finishing?.sent($0) }
        if hasReadToEnd || !hasPeerThatFinishes { return finishing.readToEnd(nil) }
        if !queue.isConnecting { readUntilFinished(finishing) }
    }

    /// Reads until the peer has finished. For a connecting stream, called once it has connected.
    final func readUntilFinished(_ finishing: Finishing) {
        do throws(UVError) {
            if onEnd == nil { try readStart(onBytes: { _, _ in }, onEnd: { _, _ in }) } else { try readResume() }
        } catch {
            // A stream that cannot be read waits only for its writes.
            finishing.readToEnd(nil)
        }
    }

    /// Closes the stream; the queued bytes are given to the kernel before, as far as it takes them in a buffer as large
    /// as it allows (1 MiB at most). For the last words to a peer that may read them later. Mirrors
    /// `uv_send_buffer_size`.
    package final func closeSendingQueued() {
        if !isClosing, queue.isOpen, queuedByteCount > 0, let descriptor {
            var size: CInt = 0
            // A larger buffer is welcome, not needed: an error leaves the old one.
            if uv_send_buffer_size(raw, &size) == 0, size < Stream.lastBufferByteCount {
                size = Stream.lastBufferByteCount
                _ = uv_send_buffer_size(raw, &size)
            }
            let unwritten = queue.isWriting ? uv_stream_get_write_queue_size(raw.stream) : 0
            for bytes in queue.unsent(unwritten: unwritten) where !bytes.isEmpty {
                guard case .bytes(bytes.count) = loop.withoutBrokenPipe({ Descriptors.send(bytes, to: descriptor) })
                else { break }
            }
        }
        close()
    }

    private static let lastBufferByteCount: CInt = 1 << 20

    /// Delays a shutdown, once more than before, for bytes that are sent past the queue.
    final func holdShutdown() { shutdownHolds += 1 }

    /// Undoes one `holdShutdown`; a shutdown goes on once none is left.
    final func releaseShutdown() {
        shutdownHolds -= 1
        guard !isClosing else { return }
        if let error = queue.error { loop.onNextTick { self.finishShutdown(error) } } else { flush() }
    }

    /// Finishes sending by our own system call: the queue is empty, and `uv_shutdown` would wait for nothing else.
    final func shutdownNow() {
        guard shutdownHolds == 0, case .requested(let completions) = queue.finish, let descriptor else { return }
        let (error, closes) = Stream.finishSending(descriptor)
        guard closes || !completions.isEmpty else { return queue.finish = .done(error) }
        queue.finish = .passedOn(completions)
        loop.onNextTick {
            // If the stream is closing, the shutdown ends with the close, after the writes.
            guard !self.isClosing else { return }
            self.finishShutdown(error)
            if closes { self.closeAfterFailure() }
        }
    }

    /// Shuts a socket down for writing.
    ///
    /// - Returns: `closes` is true if the reader of a pipe learns of the end only by a close.
    private static func finishSending(_ descriptor: Int32) -> (error: UVError?, closes: Bool) {
        guard CLibUV.shutdown(descriptor, CInt(SHUT_WR)) != 0 else { return (nil, false) }
        let error = UVError(errno: uvloop_errno())
        guard error == .notSocket else { return (error, false) }
        if isatty(descriptor) == 1 { return (nil, false) }
        // A descriptor that can be read too, or only be read, has no writing side that could be closed alone.
        return uvloop_access_mode(descriptor) == O_WRONLY ? (nil, true) : (error, false)
    }

    final func finishShutdown(_ error: UVError?) {
        // A write under way completes first.
        guard queue.finish.completions != nil, !queue.isWriting else { return }
        // Writes that the kernel took at once may still wait for their tick; they complete first.
        deliver()
        guard let completions = queue.finish.completions else { return }
        queue.finish = .done(error)
        for completion in completions { completion(error) }
    }
}

extension Stream {
    /// A stream that is about to end in order.
    final class Finishing {
        private unowned let stream: Stream
        private let timer: TimerHandle
        fileprivate var completions: [(UVError?) -> Void]
        private var state = State.open(hasSent: false, hasRead: false)

        private enum State {
            case open(hasSent: Bool, hasRead: Bool)
            /// The stream is closing, with this outcome.
            case ended(UVError?)
        }

        fileprivate init(_ stream: Stream, _ deadline: Duration, _ completion: ((UVError?) -> Void)?) {
            self.stream = stream
            completions = completion.map { [$0] } ?? []
            timer = TimerHandle(on: stream.loop)
            timer.start(after: deadline) { [unowned self] _ in end(.timedOut) }
        }

        fileprivate func sent(_ error: UVError?) {
            guard case .open(_, let hasRead) = state else { return }
            if error != nil || hasRead { return end(error) }
            state = .open(hasSent: true, hasRead: false)
        }

        func readToEnd(_ error: UVError?) {
            guard case .open(let hasSent, _) = state else { return }
            if error != nil || hasSent { return end(error) }
            state = .open(hasSent: false, hasRead: true)
        }

        private func end(_ error: UVError?) {
            guard case .open = state else { return }
            state = .ended(error)
            stream.closeAfterFailure()
        }

        /// Calls the completions when the stream has closed: by this object, or by other code with `error`.
        func complete(_ error: UVError) {
            timer.close()
            let outcome = if case .ended(let outcome) = state { outcome } else { error as UVError? }
            for completion in completions { completion(outcome) }
        }
    }
}
