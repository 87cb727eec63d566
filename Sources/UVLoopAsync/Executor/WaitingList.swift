/// The tasks that wait for one event of an actor together; each is resumed once. A single task has ``Waiting``.
///
/// Used on the actor's executor only. A wait has a number of its caller's, never given twice: a cancellation may come late.
package struct WaitingList<Value: Sendable, Failure: Error> {
    package typealias Continuation = UnsafeContinuation<Result<Value, Failure>, Never>

    private var waiting: [(number: UInt64, continuation: Continuation)] = []

    /// A list without a waiting task.
    package init() {}

    package mutating func add(_ continuation: Continuation, _ number: UInt64) {
        waiting.append((number, continuation))
    }

    /// Resumes one task; does nothing if it does not wait any more.
    package mutating func cancel(_ number: UInt64, with error: Failure) {
        guard let index = waiting.firstIndex(where: { $0.number == number }) else { return }
        waiting.remove(at: index).continuation.resume(returning: .failure(error))
    }

    /// Resumes every task, and leaves the list empty.
    package mutating func resumeAll(_ outcome: Result<Value, Failure>) {
        let resumed = waiting
        waiting = []
        for one in resumed { one.continuation.resume(returning: outcome) }
    }
}
