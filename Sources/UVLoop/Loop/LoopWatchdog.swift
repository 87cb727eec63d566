/// Tells from another thread while a loop is blocked: by a callback that takes long, or because nobody runs the loop.
///
/// It asks the loop for an answer, as a job of another thread, again and again; a loop that runs answers in its next tick. Does
/// not keep the loop running.
public final class LoopWatchdog: Sendable {
    /// A loop that has not answered in time.
    public struct Report: Hashable, Sendable {
        /// How long it has not.
        public let blockedFor: Duration
    }

    private struct State {
        /// When the question was asked that waits for its answer; nil: none does.
        var askedAt: Duration?
        var isTold = false
    }

    private let remote: LoopRemote
    private let limit: Duration
    private let onBlocked: @Sendable (Report) -> Void
    private let state = Lock(State())
    private let thread: LoopThread

    /// Begins to watch; ``stop()`` ends it.
    ///
    /// - Parameters:
    ///   - loop: the loop that is watched.
    ///   - limit: how long the loop may take for an answer, at least 4 ms.
    ///   - onBlocked: told on the watchdog's own thread, once for each time that the loop is blocked, while it is.
    /// - Throws: ``UVError/wouldBlock`` when no thread can be made, ``UVError/tooManyOpenFiles`` and its like.
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

    /// Ends the watching and waits for a report that is being told; not to be called in one. Idempotent.
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
        // A closed loop is asked in vain, and not blocked.
        if asks, !remote.submit({ [state] _ in state.withLock { $0 = State() } }) { state.withLock { $0 = State() } }
        if let report { onBlocked(report) }
    }
}
