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

/// Waits in a task until a condition holds, and gives others their turn in between.
public func until(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool,
) async throws {
    let deadline = SystemClock.monotonicTime + hangTimeout
    while try await !condition() {
        guard SystemClock.monotonicTime < deadline else {
            Issue.record("it did not come to pass that \(what)", sourceLocation: sourceLocation)
            return
        }
        await Task.yield()
    }
}
