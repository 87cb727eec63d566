public import Testing
public import UVLoop

/// Runs the loop until `condition` holds; checks it after every tick, and at least every few milliseconds.
public func run(
    _ loop: Loop,
    timeout: Duration = hangTimeout,
    sourceLocation: SourceLocation = #_sourceLocation,
    until condition: () throws -> Bool,
) throws {
    let deadline = SystemClock.monotonicTime + timeout
    let ticks = TimerHandle(on: loop)
    ticks.start(after: .milliseconds(5), repeating: .milliseconds(5)) { _ in }
    defer { ticks.close() }
    while try !condition() {
        guard SystemClock.monotonicTime < deadline else {
            Issue.record("the condition did not come to hold within \(timeout)", sourceLocation: sourceLocation)
            return
        }
        loop.run(.once)
    }
}
