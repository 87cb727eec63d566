internal import UVLoop

extension TimerHandle {
    /// Calls `body` if nothing has come for this time; bytes that have come by then are read first, and may stop the
    /// timer.
    ///
    /// A process that did not run for a while, because it was stopped for instance, finds its timers due before it has
    /// read the bytes that came meanwhile.
    func start(ifSilentFor time: Duration, _ body: @escaping () -> Void) {
        start(after: time) { timer in timer.start(after: .milliseconds(20)) { _ in body() } }
    }
}
