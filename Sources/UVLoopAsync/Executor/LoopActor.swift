/// An actor pinned to a loop: its isolated code runs on the loop's thread.
///
/// A conforming actor declares `unownedExecutor` itself, as that of its ``executor``: for an actor that merely inherits
/// it from an extension, the compiler makes an executor of its own, and the actor would run on other threads.
public protocol LoopActor: Actor {
    /// The executor whose loop the actor is pinned to.
    nonisolated var executor: LoopExecutor { get }
}

extension LoopActor {
    /// Waits for an event of the actor, or for the task's cancellation.
    ///
    /// An await within an actor may switch executors, so facts found out before it may no longer hold.
    ///
    /// - Parameters:
    ///   - error: the outcome of a task that is canceled before it waits.
    ///   - begin: checks if there is something to wait for, and sees to it that the continuation is resumed.
    ///   - onCancel: called, perhaps late, if the task is canceled.
    package func wait<Value: Sendable, Failure: Error>(
        canceled error: Failure, _ begin: (UnsafeContinuation<Result<Value, Failure>, Never>) -> Void,
        onCancel: @escaping @Sendable (isolated Self) -> Void,
    ) async throws(Failure) -> Value { try await result(canceled: error, begin, onCancel: onCancel).get() }

    /// The same wait, with the outcome as a value.
    package func result<Value: Sendable, Failure: Error>(
        canceled error: Failure, _ begin: (UnsafeContinuation<Result<Value, Failure>, Never>) -> Void,
        onCancel: @escaping @Sendable (isolated Self) -> Void,
    ) async -> Result<Value, Failure> {
        await withTaskCancellationHandler {
            // The isolation names the actor: otherwise this would not be the actor's code.
            await withUnsafeContinuation(isolation: self) { continuation in
                // The task was canceled before there was anything to cancel.
                if Task.isCancelled { continuation.resume(returning: .failure(error)) } else { begin(continuation) }
            }
        } onCancel: {
            executor.submit { [weak self] _ in self?.assumeIsolated { onCancel($0) } }
        }
    }

    /// Begins an operation that ends once. If the task is canceled, the operation goes on, and the task gets the error
    /// at once.
    ///
    /// - Parameters:
    ///   - error: the outcome of a task that is canceled.
    ///   - begin: begins the operation, and sees to it that ``OneShot/end(_:)`` is called.
    ///   - onCancel: called when the task no longer waits for the operation.
    package func once<Value: Sendable, Failure: Error>(
        canceled error: Failure, _ begin: (OneShot<Value, Failure>) -> Void,
        onCancel: @escaping @Sendable (isolated Self) -> Void = { _ in },
    ) async throws(Failure) -> Value {
        // The box is used only on the executor.
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
