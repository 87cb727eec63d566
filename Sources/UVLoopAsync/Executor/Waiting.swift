package import UVLoop

/// A place for the single task that waits for an event of an actor, and is resumed once.
///
/// Used on the actor's executor only.
package struct Waiting<Value: Sendable> {
    package typealias Continuation = UnsafeContinuation<Result<Value, UVError>, Never>

    private var continuation: Continuation?
    /// The number that tells a wait from the next one: a cancellation may come late.
    private var number: UInt64 = 0
    private var lastNumber: UInt64 = 0

    /// A place without a waiting task.
    package init() {}

    package var isEmpty: Bool { continuation == nil }

    /// A number for a wait that is about to begin.
    package mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// Makes a task wait; the task gets ``/UVLoop/UVError/busy`` if another one waits already.
    package mutating func set(_ continuation: Continuation, _ number: UInt64) {
        guard isEmpty else { return continuation.resume(returning: .failure(.busy)) }
        self.number = number
        self.continuation = continuation
    }

    /// Resumes the waiting task; does nothing if there is none.
    package mutating func resume(_ outcome: sending Result<Value, UVError>) {
        continuation.take()?.resume(returning: outcome)
    }

    package mutating func cancel(_ number: UInt64) { take(number)?.resume(returning: .failure(.canceled)) }

    /// Takes the waiting task out, to be resumed by the caller; nil if there is none.
    mutating func take() -> Continuation? { continuation.take() }

    /// Takes the waiting task out if this is its wait.
    mutating func take(_ number: UInt64) -> Continuation? { number == self.number ? take() : nil }
}
