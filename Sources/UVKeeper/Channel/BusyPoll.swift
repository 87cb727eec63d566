internal import UVLoop

/// A bounded time in which the loop looks for events without sleeping: to wake a process that sleeps takes longer than a
/// keeper takes for its answer. Mirrors `SO_BUSY_POLL`, for a unix socket.
final class BusyPoll {
    private let idle: IdleHandle
    private let time: Duration
    private var end = Duration.zero
    private var isActive = false

    /// - Parameter time: the longest time, more than zero, after ``begin()``.
    init(for time: Duration, on loop: Loop) {
        idle = IdleHandle(on: loop)
        self.time = time
    }

    /// Keeps the loop awake from now on, or for longer.
    func begin() {
        end = SystemClock.deadline(in: time)
        guard !isActive else { return }
        isActive = true
        idle.start { [self] _ in
            if SystemClock.monotonicTime >= end { stop() }
        }
    }

    func stop() {
        guard isActive else { return }
        isActive = false
        idle.stop()
    }

    func close() { idle.close() }
}
