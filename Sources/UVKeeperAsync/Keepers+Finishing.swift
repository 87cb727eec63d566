public import UVKeeper
public import UVLoop
internal import UVLoopAsync

extension Keepers {
    /// Ends in order: takes no new work, gives waiting lines and questions this much time for their outcomes, then
    /// closes as ``close()`` does. Sessions live on. A canceled task does not wait for outcomes.
    public func finish(within time: Duration = .seconds(10)) async {
        isFinishing = true
        do throws(UVError) {
            try await settle(within: time)
        } catch {
            // The time is over, or the task was canceled: lines and questions that still wait end by the close.
        }
        await close()
    }

    private func settle(within time: Duration) async throws(UVError) {
        guard !isClosed, !isSettled else { return }
        let timer = TimerHandle(on: manager.loop)
        defer { timer.close() }
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            guard !isClosed, !isSettled else { return end.end(.success(())) }
            settling.append(end)
            timer.onCanceled = { end.end(.failure(.canceled)) }
            timer.start(after: time) { _ in end.end(.failure(.timedOut)) }
        }
    }

    /// Called after each outcome and answer: ends the wait of ``finish(within:)`` once nothing waits any more.
    func tellSettled() {
        guard !settling.isEmpty, isSettled else { return }
        let waiting = settling
        settling = []
        for end in waiting { end.end(.success(())) }
    }

    // MARK: Figures

    /// The activity of all sessions together; costs no system call.
    public func figures() -> Figures {
        let counts = sessionCounts
        return Figures(
            delivery: isClosed ? KeeperFigures() : manager.figures, openingSessions: counts.opening,
            livingSessions: counts.living)
    }

    /// The activity of sessions in numbers.
    public struct Figures: Hashable, Sendable {
        /// The waiting lines, attempts and stops.
        public let delivery: KeeperFigures
        /// Sessions that are being opened.
        public let openingSessions: Int
        /// Sessions that were opened or discovered here and have not ended.
        public let livingSessions: Int
    }

    /// The health of the loop since the last call; nil the first time, when measuring begins. See
    /// ``/UVLoop/Loop/observe(every:)``.
    public func takeLoopHealth() -> LoopHealth? {
        guard !isClosed else { return nil }
        defer { manager.loop.observe(every: .milliseconds(100)) }
        return manager.loop.health
    }
}
