import UVKeeper

/// Steps that happen one after the other, each when a condition holds, with a limit of time.
final class Steps {
    /// Called with the name of the step that did not come in time; no step follows unless this call begins one.
    var onTimeout: (String) -> Void = { _ in }
    private let name: String
    private let limit: Duration
    private let timer: TimerHandle

    /// - Parameter limit: the longest time of each step.
    init(_ name: String, limit: Duration, on loop: Loop) {
        self.name = name
        self.limit = limit
        timer = TimerHandle(on: loop)
    }

    /// Checks the condition at once and then repeatedly; gives up after the limit.
    func wait(
        _ what: String, every interval: Duration = .milliseconds(5), _ condition: @escaping () -> Bool,
        then next: @escaping () -> Void,
    ) {
        let deadline = SystemClock.monotonicTime + limit
        timer.start(after: .zero, repeating: interval) { [self] timer in
            if condition() {
                timer.stop()
                next()
            } else if SystemClock.monotonicTime > deadline {
                timer.stop()
                onTimeout("\(name), not within \(limit): \(what)")
            }
        }
    }

    func close() { timer.close() }
}
