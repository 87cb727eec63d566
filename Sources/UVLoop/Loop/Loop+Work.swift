internal import CLibUV

extension Loop {
    /// Runs `work` on a thread of libuv's pool and hands its result to `completion` on this loop, on a later tick.
    ///
    /// For what would block the loop: scanning directories, reading files. The pool has four threads, shared by the whole
    /// process (`UV_THREADPOOL_SIZE`). The loop stays alive until the completion has run. Mirrors `uv_queue_work`.
    ///
    /// - Throws: ``UVError/wouldBlock`` when the pool's threads cannot be made, at a limit of the user's or the container's;
    ///   then `completion` does not run. Once it has worked in a process, it does not throw there any more.
    public func queueWork<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value,
        completion: @escaping (Value) -> Void,
    ) throws(UVError) {
        requireOwner()
        try ThreadPool.prepare()
        let job = Job(work: work, completion: completion)
        let request = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
        // Released in the completion callback below.
        request.pointee.data = Unmanaged.passRetained(job as AnyJob).toOpaque()
        let status = uv_queue_work(
            raw,
            request,
            { object($0!.pointee.data, as: AnyJob.self).run() },
            { request, _ in
                // The status is UV_ECANCELED only after uv_cancel, which is never called.
                let job = Unmanaged<AnyJob>.fromOpaque(request!.pointee.data).takeRetainedValue()
                request!.deallocate()
                job.complete()
            },
        )
        require(status == 0, "uv_queue_work fails only without a work callback")
    }
}

/// The type libuv's callbacks can name; the value's type is known one level down only.
private class AnyJob {
    func run() {}
    func complete() {}
}

private final class Job<Value: Sendable>: AnyJob {
    private let work: @Sendable () -> Value
    private let completion: (Value) -> Void
    private var value: Value?

    init(work: @escaping @Sendable () -> Value, completion: @escaping (Value) -> Void) {
        self.work = work
        self.completion = completion
    }

    /// On the pool's thread. libuv orders this before `complete`, so the value needs no lock.
    override func run() { value = work() }

    override func complete() { completion(value!) }
}
