import UVKeeper

/// Steps that happen one after the other, each when a condition holds; bounded.
final class Steps {
    /// Called with what did not come in time; no step follows but one that this begins.
    var onTimeout: (String) -> Void = { _ in }
    private let name: String
    private let limit: Duration
    private let timer: TimerHandle

    /// - Parameter limit: how long each of them may take.
    init(_ name: String, limit: Duration, on loop: Loop) {
        self.name = name
        self.limit = limit
        timer = TimerHandle(on: loop)
    }

    /// Looks at once and again and again; after the limit it gives up.
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
