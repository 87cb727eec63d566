extension Stream {
    /// Calls `body` whenever the stream has been idle for `time`: no byte has come, and no written byte was taken.
    /// Bytes that stay in the queue because the peer does not read are no activity. Does not keep the loop running;
    /// ends when the stream closes.
    ///
    /// - Parameters:
    ///   - time: at least a millisecond; nil ends the calls. Replaces an earlier call's settings. The call comes up to
    ///     20 milliseconds later: bytes that came while the process did not run are read first.
    ///   - body: closes the stream unless something else is given.
    public final func onIdle(after time: Duration?, _ body: @escaping (Stream) -> Void = { $0.close() }) {
        guard isUsable("\(publicName).onIdle: the stream is closed") else { return }
        idling.take()?.close()
        idling = time.map { Idling(self, max(.milliseconds(1), $0), body) }
    }

    /// The time of a stream's last activity. The timer is not restarted by every byte; it checks the time when it
    /// fires.
    final class Idling {
        /// The time for bytes that came while the process did not run, because it was stopped for instance: its timers are due
        /// before it has read them.
        private static let grace = Duration.milliseconds(20)

        private unowned let stream: Stream
        private let time: Duration
        private let body: (Stream) -> Void
        private let timer: TimerHandle
        /// The time on the loop's clock.
        private var lastActivity: Duration
        /// The number of bytes taken at that time.
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
            // libuv reports a long write only at its end, so the bytes taken are polled four times as often.
            timer.start(after: stream.queue.isWriting ? min(left, time / 4) : left) { [unowned self] _ in
                look(isLast: false)
            }
        }

        private func look(isLast: Bool) {
            if stream.acceptedByteCount != taken { noteActivity() }
            let left = lastActivity + time - stream.loop.now
            guard left <= .zero else { return wait(for: left) }
            guard isLast else {
                return timer.start(after: Idling.grace) { [unowned self] _ in look(isLast: true) }
            }
            wait(for: time)
            noteActivity()
            body(stream)
        }
    }
}
