extension Stream {
    /// Calls `body` when for so long no byte has come, and none that was written has been taken; then again each time. What waits in
    /// the queue of a peer that does not read is no activity. Does not keep the loop running; ends when the stream closes.
    ///
    /// - Parameters:
    ///   - time: at least a millisecond; nil: `body` is called no more. Replaces what was asked for before.
    ///   - body: closes the stream unless something else is given.
    public final func onIdle(after time: Duration?, _ body: @escaping (Stream) -> Void = { $0.close() }) {
        guard isUsable("\(publicName).onIdle: the stream is closed") else { return }
        idling.take()?.close()
        idling = time.map { Idling(self, max(.milliseconds(1), $0), body) }
    }

    /// When a stream was last active. Its timer is not started anew by every byte, but looks again when it has fired.
    final class Idling {
        private unowned let stream: Stream
        private let time: Duration
        private let body: (Stream) -> Void
        private let timer: TimerHandle
        /// On the loop's clock.
        private var lastActivity: Duration
        /// How many bytes had been taken by then.
        private var taken: UInt64 = 0

        fileprivate init(_ stream: Stream, _ time: Duration, _ body: @escaping (Stream) -> Void) {
            self.stream = stream
            self.time = time
            self.body = body
            timer = TimerHandle(on: stream.loop)
            timer.unref()
            lastActivity = .zero
            wait(for: time)
            noteActivity()
        }

        func noteActivity() {
            lastActivity = stream.loop.now
            taken = stream.acceptedByteCount
        }

        func close() { timer.close() }

        private func wait(for left: Duration) {
            // Of a long write libuv tells nothing before its end: it is asked four times as often.
            timer.start(after: stream.queue.isWriting ? min(left, time / 4) : left) { [unowned self] _ in
                if stream.acceptedByteCount != taken { noteActivity() }
                let left = lastActivity + time - stream.loop.now
                guard left <= .zero else { return wait(for: left) }
                wait(for: time)
                noteActivity()
                body(stream)
            }
        }
    }
}
