public import UVLoop

extension LoopExecutor {
    /// Runs blocking work on a thread of libuv's pool, off the loop and off the threads that tasks share, and returns
    /// its result.
    ///
    /// The pool has four threads, which the whole process shares (`UV_THREADPOOL_SIZE`). If the task is canceled, work
    /// that has not begun does not run; work that has begun is waited for.
    ///
    /// - Throws: the error that `work` throws; ``/UVLoop/UVError/canceled``, also once the loop has ended;
    ///   ``/UVLoop/UVError/wouldBlock`` when the pool's threads cannot be made.
    public func work<Value: Sendable>(
        _ work: @escaping @Sendable () throws(UVError) -> Value,
    ) async throws(UVError) -> Value {
        try await OneShot<Value, UVError>.run(on: self, canceled: .canceled) { loop, end in
            do throws(UVError) {
                let request = try loop.queueWork { () -> Result<Value, UVError> in
                    do throws(UVError) { return .success(try work()) } catch { return .failure(error) }
                } completion: {
                    end.end($0)
                }
                request.onCanceled = { end.end(.failure(.canceled)) }
                end.onCancel = { request.cancel() }
            } catch {
                end.end(.failure(error))
            }
        }
    }

    /// Files, for tasks.
    public var files: LoopFiles { LoopFiles(on: self) }
}
