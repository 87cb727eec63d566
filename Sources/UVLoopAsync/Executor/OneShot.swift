package import UVLoop

/// An operation of the loop that ends once, and that the waiting task can cancel. Used on the loop's thread.
package final class OneShot<Value: Sendable, Failure: Error> {
    package typealias Outcome = Result<Value, Failure>

    private var continuation: UnsafeContinuation<Outcome, Never>?
    /// A lock that is taken before the task is resumed, and by the task after that, see ``run(on:canceled:_:)``.
    private var handedOver: Lock<Void>?
    private var isCanceled = false
    /// Cancels the operation, which must still end.
    package var onCancel: (() -> Void)? {
        didSet {
            guard isCanceled, let onCancel = onCancel.take() else { return }
            onCancel()
        }
    }

    init(_ continuation: UnsafeContinuation<Outcome, Never>) { self.continuation = continuation }

    /// True until the task has its outcome.
    package var isAwaited: Bool { continuation != nil }

    /// Gives the task its outcome; does nothing the second time.
    package func end(_ outcome: sending Outcome) {
        onCancel = nil
        handedOver?.withLock { _ in }
        continuation.take()?.resume(returning: outcome)
    }

    private func cancel() {
        isCanceled = true
        onCancel.take()?()
    }

    /// Begins an operation on the loop's thread, and waits for its end.
    ///
    /// - Parameters:
    ///   - error: the outcome after the loop's end, and for a task that is canceled before the operation begins.
    ///   - begin: begins the operation, sets how it is canceled, and sees to it that ``end(_:)`` is called.
    package static func run(
        on executor: LoopExecutor, canceled error: Failure,
        _ begin: @escaping @Sendable (Loop, OneShot<Value, Failure>) -> Void,
    ) async throws(Failure) -> Value {
        guard !Task.isCancelled else { throw error }
        // The box is used only on the loop's thread.
        let box = Handover(Holder<OneShot<Value, Failure>>())
        // ThreadSanitizer does not see how the runtime hands an outcome to a task that has not stopped to wait yet. It knows
        // this lock.
        let handedOver = Lock(())
        let outcome: Outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let isTaken = executor.submit { loop in
                    let shot = OneShot(continuation)
                    shot.handedOver = handedOver
                    if box.value.isCanceled { shot.isCanceled = true }
                    box.value.object = shot
                    begin(loop, shot)
                }
                if !isTaken { continuation.resume(returning: .failure(error)) }
            }
        } onCancel: {
            executor.submit { _ in
                box.value.isCanceled = true
                box.value.object?.cancel()
            }
        }
        handedOver.withLock { _ in }
        return try outcome.get()
    }
}

/// A place for an object that comes later.
package final class Holder<Object: AnyObject> {
    package init() {}

    package var object: Object?
    package var isCanceled = false
}
