internal import CLibUV
internal import Synchronization

/// The `Sendable` access to a loop from other threads, and the only one.
///
/// Jobs run on the loop's thread in the order of their submission. The loop is woken once, however many are submitted
/// between two ticks (H55). A remote does not keep the loop running and may outlive it. Mirrors `uv_async_t`.
public final class LoopRemote: Sendable {
    /// A job. An array of bare closures would cost two allocations for each: one wrapper in the array, one for the
    /// call.
    private enum Job {
        case body(@Sendable (Loop) -> Void)
        /// A task's job, for ``Loop/runTask``; takes no memory of its own.
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
        /// True once the loop ends: only jobs of tasks are taken, which go on where they have been.
        var refusesBodies = false
        /// The eventfd of the loop's ``PollHook``; nil without one.
        var event: EventDescriptor?
    }

    private let inbox = Lock(Inbox())
    /// False while the loop is awake and will look into the inbox before its next wait; always true without a ``PollHook``.
    private let needsWakeUp = Atomic<Bool>(true)
    /// Other threads touch the handle only through `uv_async_send`, the one call of libuv that is safe from any thread,
    /// and only under the lock that guards `isClosed`: sending to a closed handle is a use after free (H56).
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

    /// Runs `job` on the loop's thread, on a later tick; if the loop is not running, at its next run or close.
    ///
    /// - Returns: false if the loop is closed, or its ``LoopThread`` shuts down; the job is dropped then.
    @discardableResult
    public func submit(_ job: @escaping @Sendable (Loop) -> Void) -> Bool { submit(.body(job)) }

    /// Hands a task's job to ``Loop/runTask`` on the loop's thread, on a later tick.
    ///
    /// - Returns: false if the loop is closed; the job is not run then.
    package func submit(task job: UnownedJob) -> Bool { submit(.task(job)) }

    private func submit(_ job: Job) -> Bool {
        var event: EventDescriptor?
        let isTaken = inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            if inbox.refusesBodies, case .body = job { return false }
            inbox.jobs.append(job)
            guard inbox.jobs.count == 1, needsWakeUp.load(ordering: .relaxed) else { return true }
            event = inbox.event
            // `uv_async_send` fails only for a handle of another kind.
            if event == nil { _ = uv_async_send(async) }
            return true
        }
        // Outside the lock: the loop's thread may go on at once, on this core, and needs the lock.
        event?.signal()
        return isTaken
    }

    /// Makes the loop's `run` return, as ``Loop/stop()`` does on its own thread.
    ///
    /// - Returns: false if the loop is closed.
    @discardableResult
    public func stop() -> Bool {
        submit { $0.stop() }
    }

    /// Makes this remote keep the loop running, or not; false at first. On the loop's thread.
    func keepAlive(_ keeps: Bool) {
        if keeps {
            uv_ref(async.cast(to: uv_handle_t.self))
        } else {
            uv_unref(async.cast(to: uv_handle_t.self))
        }
    }

    /// True if the remote keeps the loop running. On the loop's thread.
    var keepsAlive: Bool { uv_has_ref(async.cast(to: uv_handle_t.self)) != 0 }

    /// Calls `body` while the remote keeps the loop alive. On the loop's thread.
    func whileReferenced<Result>(_ body: () -> Result) -> Result {
        guard !keepsAlive else { return body() }
        keepAlive(true)
        defer { keepAlive(false) }
        return body()
    }

    /// Runs the jobs submitted so far. On the loop's thread.
    func runJobs(on loop: Loop) {
        var jobs: [Job] = []
        inbox.withLock { inbox in
            swap(&jobs, &inbox.jobs)
            swap(&inbox.jobs, &inbox.spare)
        }
        for job in jobs { job.run(on: loop) }
        // The jobs are released outside the lock, since releasing their captures may submit another.
        jobs.removeAll(keepingCapacity: jobs.capacity <= 1024)
        inbox.withLock { swap(&jobs, &$0.spare) }
    }

    // MARK: With a PollHook

    /// Wakes the loop by an eventfd from now on. On the loop's thread.
    func wake(by event: EventDescriptor) { inbox.withLock { $0.event = event } }

    /// Notes that the loop has ended its wait. On the loop's thread.
    func noteAwake() { needsWakeUp.store(false, ordering: .relaxed) }

    /// True if there are jobs to run before the loop waits; if not, whoever submits the next one wakes it. On the loop's thread.
    func hasJobsBeforeWait() -> Bool {
        // Within the lock: a submitter has either put its job there already, or sees that it must wake the loop.
        inbox.withLock { inbox in
            needsWakeUp.store(inbox.jobs.isEmpty, ordering: .relaxed)
            return !inbox.jobs.isEmpty
        }
    }

    /// Refuses further jobs except those of tasks: a loop that ends would not come to its end while others go on opening
    /// handles. On the loop's thread.
    func refuseBodies() { inbox.withLock { $0.refusesBodies = true } }

    /// Refuses further jobs, and runs those submitted since the last `runJobs`. On the loop's thread.
    func shut(on loop: Loop) {
        inbox.withLock { inbox in
            inbox.isClosed = true
            inbox.event = nil
        }
        runJobs(on: loop)
    }

    /// Frees the handle. On the loop's thread, after `shut`.
    func close() {
        uv_close(async.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
    }
}
