internal import UVLoop

extension TimerHandle {
    /// Calls `body` when somebody has been silent for this time; what has come by then is read first, and may stop the timer.
    ///
    /// A process that did not run for a while, since it was stopped for instance, finds its timers due before it has read what came
    /// meanwhile.
    func start(ifSilentFor time: Duration, _ body: @escaping () -> Void) {
        start(after: time) { timer in timer.start(after: .milliseconds(20)) { _ in body() } }
    }
}
