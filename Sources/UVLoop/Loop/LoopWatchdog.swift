/// Reports from another thread that a loop is blocked: by a callback that takes long, or because nobody runs the loop.
///
/// The watchdog repeatedly asks the loop for an answer, as a job of another thread; a loop that runs answers in its
/// next tick. Does not keep the loop running.
public final class LoopWatchdog: Sendable {
    /// A report of a loop that has not answered in time.
    public struct Report: Hashable, Sendable {
        /// The time without an answer.
        public let blockedFor: Duration
    }

    private struct State {
        /// The time of the question that waits for its answer; nil if none does.
        var askedAt: Duration?
        var isTold = false
    }

    private let remote: LoopRemote
    private let limit: Duration
    private let onBlocked: @Sendable (Report) -> Void
    private let state = Lock(State())
    private let thread: LoopThread

    /// Starts watching; ``stop()`` ends it.
    ///
    /// - Parameters:
    ///   - loop: the loop that is watched.
    ///   - limit: the longest time for an answer, at least 4 ms.
    ///   - onBlocked: called on the watchdog's own thread, once for each time that the loop is blocked, while it is.
    /// - Throws: ``UVError/wouldBlock`` if no thread can be made, ``UVError/tooManyOpenFiles`` and its like.
    public init(
        _ loop: Loop, blockedFor limit: Duration, onBlocked: @escaping @Sendable (Report) -> Void,
    ) throws(UVError) {
        loop.preconditionOnThread()
        remote = loop.remote
        self.limit = limit
        self.onBlocked = onBlocked
        thread = try LoopThread(name: "uvloop-watchdog")
        let interval = max(.milliseconds(1), limit / 4)
        thread.submit { [self] loop in
            TimerHandle(on: loop).start(after: interval, repeating: interval) { _ in self.look() }
        }
    }

    /// Stops watching, and waits for a report that is being delivered; must not be called within one. Idempotent.
    public func stop() { thread.shutdown() }

    private func look() {
        let now = SystemClock.monotonicTime
        let (asks, report) = state.withLock { state -> (Bool, Report?) in
            guard let askedAt = state.askedAt else {
                state.askedAt = now
                return (true, nil)
            }
            guard !state.isTold, now - askedAt >= limit else { return (false, nil) }
            state.isTold = true
            return (false, Report(blockedFor: now - askedAt))
        }
        // A closed loop does not answer, but is not blocked either.
        if asks, !remote.submit({ [state] _ in state.withLock { $0 = State() } }) { state.withLock { $0 = State() } }
        if let report { onBlocked(report) }
    }
}
