package import UVLoop

extension TimerHandle {
    /// Calls `body` if nothing has happened for this time; what has happened by then is handled first, and may stop the
    /// timer.
    ///
    /// A process that did not run for a while, because it was stopped for instance, finds its timers due before it has
    /// read the bytes that came meanwhile, or learned which children have ended.
    ///
    /// - Parameter rest: the time for that, in which the loop polls at least once.
    package func start(
        ifSilentFor time: Duration, handlingRestFor rest: Duration = .milliseconds(20), _ body: @escaping () -> Void,
    ) {
        start(after: time) { timer in timer.start(after: rest) { _ in body() } }
    }
}
