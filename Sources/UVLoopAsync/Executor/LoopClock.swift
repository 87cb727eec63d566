internal import UVLoop

/// A clock with the time of a loop's timers, in whole milliseconds, for `Task.sleep(until:clock:)` and its like.
public struct LoopClock: Clock, Sendable {
    /// A point in time.
    public struct Instant: InstantProtocol {
        /// The time since an arbitrary start, on the monotonic clock.
        public let time: Duration

        /// The point at a time.
        public init(time: Duration) { self.time = time }

        /// The point that is later by a duration.
        public func advanced(by duration: Duration) -> Instant { Instant(time: time + duration) }

        /// The time from this point to another.
        public func duration(to other: Instant) -> Duration { other.time - time }

        /// True if the first point comes before the other.
        public static func < (one: Instant, other: Instant) -> Bool { one.time < other.time }
    }

    private let executor: LoopExecutor

    /// The clock of an executor's loop.
    public init(on executor: LoopExecutor) { self.executor = executor }

    /// The present time.
    public var now: Instant { Instant(time: SystemClock.monotonicTime) }

    /// The resolution of the timers.
    public var minimumResolution: Duration { .milliseconds(1) }

    /// Waits until a point in time.
    ///
    /// - Throws: `CancellationError` if the task is canceled, or the loop has ended.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        let executor = executor
        do throws(UVError) {
            try await OneShot<Void, UVError>.run(on: executor, canceled: .canceled) { loop, end in
                let timer = TimerHandle(on: loop)
                timer.onCanceled = { end.end(.failure(.canceled)) }
                wait(for: deadline, timer, end)
                end.onCancel = {
                    timer.close()
                    end.end(.failure(.canceled))
                }
            }
        } catch {
            throw CancellationError()
        }
    }

    /// Waits on the timer. A loop's time has whole milliseconds: a timer that fires too early is started again.
    private func wait(for deadline: Instant, _ timer: TimerHandle, _ end: OneShot<Void, UVError>) {
        timer.start(after: now.duration(to: deadline)) { timer in
            guard now >= deadline else { return wait(for: deadline, timer, end) }
            timer.close()
            end.end(.success(()))
        }
    }
}

extension LoopExecutor {
    /// The loop's clock.
    public var clock: LoopClock { LoopClock(on: self) }
}
