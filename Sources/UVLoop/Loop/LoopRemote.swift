internal import CLibUV

/// The `Sendable` door into a loop from other threads, and the only one.
///
/// Jobs run on the loop's thread in the order of their submission. However many are submitted between two ticks, the
/// loop is woken once (H55). A remote does not keep the loop running and may outlive it. Mirrors `uv_async_t`.
public final class LoopRemote: Sendable {
    /// An array of bare closures would wrap each in another one, and again for the call: two allocations.
    private enum Job {
        case body(@Sendable (Loop) -> Void)
        /// Of a task, for ``Loop/runTask``: takes no memory of its own.
        case task(UnownedJob)

        func run(on loop: Loop) {
            switch self {
            case .body(let body): body(loop)
            case .task(let job): loop.runTask?(job)
            }
        }
    }

    private struct Inbox {
        var jobs: [Job] = []
        /// An empty array whose storage is reused: it is swapped with `jobs` at each wake-up.
        var spare: [Job] = []
        var isClosed = false
    }

    private let inbox = Lock(Inbox())
    /// Touched by other threads through `uv_async_send` alone, the one call of libuv that is safe from any thread, and
    /// only under the lock that guards `isClosed`: sending to a closed handle is a use after free (H56).
    private nonisolated(unsafe) let async: UnsafeMutablePointer<uv_async_t>

    init(on loop: UnsafeMutablePointer<uv_loop_t>) throws(UVError) {
        let async = UnsafeMutablePointer<uv_async_t>.allocate(capacity: 1)
        let status = uv_async_init(loop, async) { async in
            let loop: Loop = object(async!.pointee.loop.pointee.data)
            loop.remote.runJobs(on: loop)
        }
        guard status == 0 else {
            async.deallocate()
            throw UVError(rawValue: status)
        }
        async.pointee.data = nil
        uv_unref(async.cast(to: uv_handle_t.self))
        self.async = async
    }

    /// Runs `job` on the loop's thread, on a later tick; if the loop is not running, when it runs next or is closed.
    ///
    /// - Returns: false, and the job is dropped, when the loop is closed.
    @discardableResult
    public func submit(_ job: @escaping @Sendable (Loop) -> Void) -> Bool { submit(.body(job)) }

    /// Hands a task's job to ``Loop/runTask`` on the loop's thread, on a later tick.
    ///
    /// - Returns: false, and the job is not run, when the loop is closed.
    package func submit(task job: UnownedJob) -> Bool { submit(.task(job)) }

    private func submit(_ job: Job) -> Bool {
        inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            inbox.jobs.append(job)
            if inbox.jobs.count == 1 {
                // Fails only for a handle that is no async handle.
                _ = uv_async_send(async)
            }
            return true
        }
    }

    /// Makes the loop's `run` return, as ``Loop/stop()`` does on its own thread.
    ///
    /// - Returns: false when the loop is closed.
    @discardableResult
    public func stop() -> Bool {
        submit { $0.stop() }
    }

    /// On the loop's thread: whether this remote alone keeps the loop running; false at first.
    func keepAlive(_ keeps: Bool) {
        if keeps {
            uv_ref(async.cast(to: uv_handle_t.self))
        } else {
            uv_unref(async.cast(to: uv_handle_t.self))
        }
    }

    /// On the loop's thread: whether `keepAlive` holds.
    var keepsAlive: Bool { uv_has_ref(async.cast(to: uv_handle_t.self)) != 0 }

    /// On the loop's thread: calls `body` while the loop has something that keeps it running.
    func whileReferenced<Result>(_ body: () -> Result) -> Result {
        guard !keepsAlive else { return body() }
        keepAlive(true)
        defer { keepAlive(false) }
        return body()
    }

    /// On the loop's thread: runs what has been submitted so far.
    func runJobs(on loop: Loop) {
        var jobs: [Job] = []
        inbox.withLock { inbox in
            swap(&jobs, &inbox.jobs)
            swap(&inbox.jobs, &inbox.spare)
        }
        for job in jobs { job.run(on: loop) }
        // Not under the lock: what a job holds may submit another as it goes.
        jobs.removeAll(keepingCapacity: jobs.capacity <= 1024)
        inbox.withLock { swap(&jobs, &$0.spare) }
    }

    /// On the loop's thread: shuts the door; jobs that slipped in since the last `runJobs` run now.
    func shut(on loop: Loop) {
        inbox.withLock { $0.isClosed = true }
        runJobs(on: loop)
    }

    /// On the loop's thread, once the door is shut: frees the handle.
    func close() {
        uv_close(async.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
    }
}
