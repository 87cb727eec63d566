internal import CLibUV

/// Work that waits for a thread of libuv's pool, or runs there. Mirrors `uv_work_t`.
public class WorkRequest: Request {
    fileprivate init(on loop: Loop) { super.init(uv_work_t.self, on: loop) }

    fileprivate func run() {}
    fileprivate func complete() {}
    /// Drops the closures, since the request may be kept for longer.
    fileprivate func drop() {}
}

extension Loop {
    /// Runs `work` on a thread of libuv's pool and hands its result to `completion` on this loop, on a later tick.
    ///
    /// For work that would block the loop: scanning directories, reading files. The pool has four threads, shared by
    /// the whole process (`UV_THREADPOOL_SIZE`). The loop stays alive until the completion has run. Mirrors
    /// `uv_queue_work`.
    ///
    /// - Returns: the request, by which the work can be canceled before it has begun.
    /// - Throws: ``UVError/wouldBlock`` if the pool's threads cannot be made, at a limit of the user's or the
    /// container's; `completion` does not run then. Once a call has succeeded in a process, no later one throws.
    @discardableResult
    public func queueWork<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value,
        completion: @escaping (Value) -> Void,
    ) throws(UVError) -> WorkRequest {
        requireOwner()
        try ThreadPool.prepare()
        let request = Work(work, completion, on: self)
        let status = uv_queue_work(
            raw,
            request.raw.cast(to: uv_work_t.self),
            { object($0!.pointee.data, as: WorkRequest.self).run() },
            { raw, status in
                let request = Request.ended(raw!.pointee.data, as: WorkRequest.self)
                let onCanceled = request.onCanceled.take()
                // libuv reports no other failure than a cancel.
                if status == UV_ECANCELED.rawValue {
                    request.drop()
                    onCanceled?()
                } else {
                    request.complete()
                }
            },
        )
        require(status == 0, "uv_queue_work fails only without a work callback")
        return request
    }
}

/// Work with a typed value. libuv's callbacks name the class above, which does not know the type.
private final class Work<Value: Sendable>: WorkRequest {
    private var work: (@Sendable () -> Value)?
    private var completion: ((Value) -> Void)?
    private var value: Value?

    init(_ work: @escaping @Sendable () -> Value, _ completion: @escaping (Value) -> Void, on loop: Loop) {
        self.work = work
        self.completion = completion
        super.init(on: loop)
    }

    /// On the pool's thread. libuv orders this before `complete`, so the value needs no lock.
    override func run() { value = work!() }

    override func complete() {
        guard let completion = completion.take(), let value = value.take() else { return }
        drop()
        completion(value)
    }

    override func drop() {
        work = nil
        completion = nil
    }
}
