package import UVLoop

/// The one task that waits for something of an actor's, and is told once.
///
/// Used on the actor's executor only.
package struct Waiting<Value: Sendable> {
    package typealias Continuation = UnsafeContinuation<Result<Value, UVError>, Never>

    private var continuation: Continuation?
    /// Tells one wait from the next: a cancellation may come late.
    private var number: UInt64 = 0
    private var lastNumber: UInt64 = 0

    /// A place where nobody waits.
    package init() {}

    package var isEmpty: Bool { continuation == nil }

    /// A number for a wait that is about to begin.
    package mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// Has a task wait; it is told ``/UVLoop/UVError/busy`` if another one does.
    package mutating func set(_ continuation: Continuation, _ number: UInt64) {
        guard isEmpty else { return continuation.resume(returning: .failure(.busy)) }
        self.number = number
        self.continuation = continuation
    }

    /// Tells whoever waits; does nothing if nobody does.
    package mutating func resume(_ outcome: sending Result<Value, UVError>) {
        continuation.take()?.resume(returning: outcome)
    }

    package mutating func cancel(_ number: UInt64) {
        if number == self.number { resume(.failure(.canceled)) }
    }
}
