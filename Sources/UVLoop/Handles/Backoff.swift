/// The pause between two tries of the same operation: it doubles from one to the next, up to a bound.
///
/// The timer is created at the first retry.
package final class Backoff {
    private let loop: Loop
    private let shortest: Duration
    private let longest: Duration
    private let isRandom: Bool
    private var next: Duration
    private var timer: TimerHandle?
    /// Called if the loop closes the timer, which ends the wait.
    package var onCanceled: (() -> Void)?

    /// - Parameter isRandom: true to make half of each pause random, so that many clients that were turned away
    /// together do not come back together.
    package init(from shortest: Duration, to longest: Duration, isRandom: Bool = false, on loop: Loop) {
        self.loop = loop
        self.shortest = shortest
        self.longest = longest
        self.isRandom = isRandom
        next = shortest
    }

    /// True if there was no retry since the last success.
    package var isFirst: Bool { next == shortest }

    /// Calls `body` after the next pause, instead of a body that waits already.
    ///
    /// - Parameter isReferenced: false to let the loop end meanwhile.
    package func start(isReferenced: Bool = true, _ body: @escaping () -> Void) {
        let timer = timer ?? makeTimer()
        if isReferenced { timer.ref() } else { timer.unref() }
        timer.start(after: isRandom ? next / 2 + next / 2 * Double.random(in: 0...1) : next) { _ in body() }
        next = min(next * 2, longest)
    }

    private func makeTimer() -> TimerHandle {
        let timer = TimerHandle(on: loop)
        timer.onCanceled = { [weak self] in self?.onCanceled?() }
        self.timer = timer
        return timer
    }

    /// Records a success: the next pause is the shortest again.
    package func reset() { next = shortest }

    /// Drops the waiting body.
    package func stop() { timer?.stop() }

    /// Drops the waiting body, for good.
    package func close() {
        timer?.close()
        timer = nil
        onCanceled = nil
    }
}
