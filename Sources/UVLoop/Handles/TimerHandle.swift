internal import CLibUV

/// Calls back after a delay, once or repeatedly, with a resolution of one millisecond.
///
/// Delays count from the call of ``start(after:repeating:_:)``, not from the loop's cached time (H51), are rounded up
/// to whole milliseconds, and are at least one: a zero delay restarted in its own callback would starve the loop (H53).
/// Mirrors `uv_timer_t`.
public final class TimerHandle: Handle {
    private var body: ((TimerHandle) -> Void)?

    /// Creates a stopped timer. Mirrors `uv_timer_init`, which always returns 0.
    public init(on loop: Loop) {
        super.init(uv_timer_t.self, on: loop) { _ = uv_timer_init(loop.raw, $0) }
    }

    /// Calls `body` after `delay` and then, if `interval` is given, every `interval`; restarts a running timer.
    ///
    /// An interval counts from the end of the wait before it: a callback that takes long delays the next one (H52).
    /// Does nothing if the loop has closed the timer, which ``Handle/onCanceled`` reports. Mirrors `uv_timer_start`.
    public func start(
        after delay: Duration, repeating interval: Duration? = nil, _ body: @escaping (TimerHandle) -> Void
    ) {
        guard isUsable("TimerHandle.start: the timer is closed") else { return }
        self.body = body
        uv_update_time(loop.raw)
        // `uv_timer_start` cannot fail: the callback is not null and the handle is not closing.
        _ = uv_timer_start(
            raw.timer,
            { raw in
                withHandle(raw!.pointee.data, as: TimerHandle.self) { $0.fire() }
            },
            max(1, delay.milliseconds),
            interval.map { max(1, $0.milliseconds) } ?? 0,
        )
    }

    /// Restarts a repeating timer now with its interval, even a stopped one; does nothing for a timer that does not
    /// repeat. Mirrors `uv_timer_again`.
    ///
    /// - Throws: ``UVError/invalidArgument`` if the timer has no callback: it was never started, or has fired once and
    /// was given an interval afterwards. Use ``start(after:repeating:_:)`` then. ``UVError/canceled`` after a close.
    public func again() throws(UVError) {
        guard !isClosing else { throw .canceled }
        loop.requireOwner()
        guard body != nil || repeatInterval == nil else { throw .invalidArgument }
        loop.noteChange()
        uv_update_time(loop.raw)
        try check(uv_timer_again(raw.timer))
    }

    /// Pauses the timer: no callback runs until it is started again, or, for a repeating timer, until ``again()``.
    /// Does nothing after a close. Mirrors `uv_timer_stop`.
    public func stop() {
        guard !isClosing else { return }
        loop.requireOwner()
        // `uv_timer_stop` always returns 0.
        _ = uv_timer_stop(raw.timer)
        // A repeating timer keeps its closure, since `again` may still need it.
        if repeatInterval == nil { body = nil }
    }

    /// The interval; nil for a timer that fires once. A change takes effect when the current wait ends.
    /// Mirrors `uv_timer_get_repeat` and `uv_timer_set_repeat`.
    public var repeatInterval: Duration? {
        get {
            let milliseconds = uv_timer_get_repeat(raw.timer)
            return milliseconds == 0 ? nil : .milliseconds(Int64(clamping: milliseconds))
        }
        set {
            guard !isClosing else { return }
            loop.requireOwner()
            uv_timer_set_repeat(raw.timer, newValue.map { max(1, $0.milliseconds) } ?? 0)
        }
    }

    /// The time until the next callback, counted from the loop's cached time; zero if it is overdue or the timer is
    /// stopped or closed. Mirrors `uv_timer_get_due_in`.
    public var dueIn: Duration {
        guard !isClosing else { return .zero }
        loop.requireOwner()
        return .milliseconds(Int64(clamping: uv_timer_get_due_in(raw.timer)))
    }

    private func fire() {
        // A one-shot timer drops its closure before the call, so that the closure may start it again.
        let body = uv_timer_get_repeat(raw.timer) == 0 ? body.take() : body
        body?(self)
    }

    override func willClose() { body = nil }
}

extension Loop {
    /// Calls `body` once after a delay, by a timer that then closes itself. For a call that is never stopped, or only
    /// together with all other handles: closing the timer earlier drops the call.
    @discardableResult
    public func after(_ delay: Duration, _ body: @escaping () -> Void) -> TimerHandle {
        let timer = TimerHandle(on: self)
        timer.start(after: delay) { timer in
            timer.close()
            body()
        }
        return timer
    }
}

extension Handle {
    /// Starts a timer that never fires, for handles of other kinds whose C struct is a timer: the handle is then active
    /// and keeps the loop running.
    func startTimerThatIsNeverDue() {
        // `uv_timer_start` cannot fail: there is a callback, and the handle is not closing.
        _ = uv_timer_start(raw.timer, { _ in }, .max, 0)
    }
}
