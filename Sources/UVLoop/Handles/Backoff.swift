/// The pause between two tries of the same thing: it doubles from one to the next, up to a bound.
///
/// A timer exists only once something had to be tried again.
package final class Backoff {
    private let loop: Loop
    private let shortest: Duration
    private let longest: Duration
    private let isRandom: Bool
    private var next: Duration
    private var timer: TimerHandle?
    /// Called if the loop closes the timer, and with it the wait.
    package var onCanceled: (() -> Void)?

    /// - Parameter isRandom: half of each pause is random, so that many that were turned away together do not come back
    ///   together.
    package init(from shortest: Duration, to longest: Duration, isRandom: Bool = false, on loop: Loop) {
        self.loop = loop
        self.shortest = shortest
        self.longest = longest
        self.isRandom = isRandom
        next = shortest
    }

    /// True if nothing was tried again since the last success.
    package var isFirst: Bool { next == shortest }

    /// Calls `body` after the next pause, in place of what waits.
    ///
    /// - Parameter isReferenced: false lets the loop end meanwhile.
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

    /// Notes a success: the next pause is the shortest again.
    package func reset() { next = shortest }

    /// Drops what waits.
    package func stop() { timer?.stop() }

    /// Drops what waits, for good.
    package func close() {
        timer?.close()
        timer = nil
        onCanceled = nil
    }
}
