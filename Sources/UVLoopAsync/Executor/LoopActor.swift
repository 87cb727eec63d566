/// What is pinned to a loop: an actor whose isolated code runs on the loop's thread.
///
/// It declares `unownedExecutor` itself, as that of its ``executor``: the compiler makes one of its own for an actor that
/// merely inherits it from an extension, and the actor would run on other threads.
public protocol LoopActor: Actor {
    /// Whose loop it is.
    nonisolated var executor: LoopExecutor { get }
}

extension LoopActor {
    /// Waits for something of the actor's, or for the task's cancellation.
    ///
    /// An actor's own await may be a switch of executors, so whatever was found out before it need not hold any more.
    ///
    /// - Parameters:
    ///   - error: the outcome of a task that is canceled before it waits.
    ///   - begin: looks whether there is something to wait for, and sees to it that the continuation is resumed.
    ///   - onCancel: called, perhaps late, if the task is canceled.
    package func wait<Value: Sendable, Failure: Error>(
        canceled error: Failure, _ begin: (UnsafeContinuation<Result<Value, Failure>, Never>) -> Void,
        onCancel: @escaping @Sendable (isolated Self) -> Void,
    ) async throws(Failure) -> Value { try await result(canceled: error, begin, onCancel: onCancel).get() }

    /// The same, with the outcome as a value.
    package func result<Value: Sendable, Failure: Error>(
        canceled error: Failure, _ begin: (UnsafeContinuation<Result<Value, Failure>, Never>) -> Void,
        onCancel: @escaping @Sendable (isolated Self) -> Void,
    ) async -> Result<Value, Failure> {
        await withTaskCancellationHandler {
            // Names the actor, without which this would not be the actor's code.
            await withUnsafeContinuation(isolation: self) { continuation in
                // Canceled before there was anything to cancel.
                if Task.isCancelled { continuation.resume(returning: .failure(error)) } else { begin(continuation) }
            }
        } onCancel: {
            executor.submit { [weak self] _ in self?.assumeIsolated { onCancel($0) } }
        }
    }

    /// Begins something that ends once, and that goes on if the task is canceled, which is told at once then.
    ///
    /// - Parameters:
    ///   - error: the outcome of a task that is canceled.
    ///   - begin: begins it, and sees to it that ``OneShot/end(_:)`` is called.
    ///   - onCancel: called once nobody waits for it any more.
    package func once<Value: Sendable, Failure: Error>(
        canceled error: Failure, _ begin: (OneShot<Value, Failure>) -> Void,
        onCancel: @escaping @Sendable (isolated Self) -> Void = { _ in },
    ) async throws(Failure) -> Value {
        // Reached on the executor alone.
        let box = Handover(Holder<OneShot<Value, Failure>>())
        return try await wait(canceled: error) { continuation in
            let shot = OneShot(continuation)
            box.value.object = shot
            begin(shot)
        } onCancel: {
            guard let shot = box.value.object, shot.isAwaited else { return }
            shot.end(.failure(error))
            onCancel($0)
        }
    }
}

/// A value on its way to the thread that it belongs to.
package struct Handover<Value>: @unchecked Sendable {
    package let value: Value

    package init(_ value: Value) { self.value = value }
}
