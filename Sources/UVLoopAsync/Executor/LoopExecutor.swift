internal import Synchronization
public import UVLoop

/// A loop on a thread of its own that runs Swift's tasks: the executor of actors that are pinned to it, and of tasks
/// that prefer it.
///
/// An actor is pinned by its `unownedExecutor`. The actor's code then runs on the loop's thread, where it may use
/// ``loop`` and everything made on it; a call between two actors of one executor changes no thread. Jobs of tasks run
/// before the loop waits for events again, those of one thread in the order in which it enqueued them; those of the loop's
/// own thread may overtake others'. An executor must be ended by ``shutdown()``, and kept as long as an actor is pinned
/// to it.
public final class LoopExecutor: SerialExecutor, TaskExecutor, Sendable {
    private let thread: LoopThread
    /// Jobs that come after the loop has ended.
    private let late = LateJobs()
    /// The id of the loop's thread; 0 before its first job.
    private let threadID = Atomic<UInt>(0)
    /// False once the loop is about to end; jobs then go through the thread, which knows how it ends.
    private let takesLocalJobs = Atomic<Bool>(false)
    /// The jobs of the loop's thread, used only there.
    private nonisolated(unsafe) var local: LocalJobs?
    private let end = Lock(End.ahead)

    private enum End {
        case ahead
        /// The calls that wait for the end.
        case underWay([UnsafeContinuation<Void, Never>])
        case over
    }

    /// Starts the thread.
    ///
    /// - Parameter name: the thread's name for debuggers; Linux keeps its first 15 bytes.
    /// - Throws: the errors of ``/UVLoop/LoopThread/init(name:)``.
    public init(name: String = "uvloop") throws(UVError) {
        thread = try LoopThread(name: name)
        // The first job, before every other.
        thread.submit { [self] loop in
            // The loop keeps the executor until its own end: a program that ends may drop it without a shutdown.
            loop.runTask = { [self] in run($0) }
            local = LocalJobs(on: loop) { [self] in run($0) }
            threadID.store(DetachedThread.currentID, ordering: .releasing)
            takesLocalJobs.store(true, ordering: .releasing)
        }
    }

    /// The loop. Traps on other threads than the loop's, on which actors pinned to this executor run.
    public var loop: Loop {
        guard isOnThread, let local else { trap("LoopExecutor.loop: it is used on the loop's thread only") }
        return local.loop
    }

    /// Runs `body` on the loop's thread, on a later tick, and returns its result.
    ///
    /// - Throws: ``/UVLoop/UVError/canceled`` after ``shutdown()``.
    public func run<Value: Sendable>(_ body: @escaping @Sendable (Loop) -> Value) async throws(UVError) -> Value {
        // For ThreadSanitizer, see ``OneShot/run(on:canceled:_:)``.
        let handedOver = Lock(())
        let result: Result<Value, UVError> = await withUnsafeContinuation { continuation in
            let isTaken = thread.submit { loop in
                let value = body(loop)
                handedOver.withLock { _ in }
                continuation.resume(returning: .success(value))
            }
            if !isTaken { continuation.resume(returning: .failure(.canceled)) }
        }
        handedOver.withLock { _ in }
        return try result.get()
    }

    /// Runs `body` on the loop's thread, on a later tick. Returns false after ``shutdown()``, and then `body` does not
    /// run.
    @discardableResult
    public func submit(_ body: @escaping @Sendable (Loop) -> Void) -> Bool { thread.submit(body) }

    // MARK: Jobs

    /// Takes a job of a task, without memory for it beyond its place in a queue. For the runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isOnThread, takesLocalJobs.load(ordering: .relaxed), let local { return local.add(job) }
        if thread.remote.submit(task: job) { return }
        late.add(job) { [self] in run($0) }
    }

    /// This executor as that of an actor. For the runtime.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// This executor as that of tasks. For the runtime.
    public func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// Traps if the calling thread is not the one that runs this executor's jobs. For the runtime.
    public func checkIsolated() {
        guard isIsolatingCurrentContext() == true else {
            trap("LoopExecutor: this is used by actors of the executor, on its loop's thread, only")
        }
    }

    /// True if the calling thread is the one that runs this executor's jobs. For the runtime.
    public func isIsolatingCurrentContext() -> Bool? { isOnThread || late.isOnThread }

    /// True on the loop's thread; false for jobs that come when the loop has ended.
    package var isOnThread: Bool { threadID.load(ordering: .acquiring) == DetachedThread.currentID }

    /// Runs a job for the serial executor alone. If it ran for the task executor too, every call to an actor would be a
    /// switch of executors for tasks without a preference, which are nearly all.
    private func run(_ job: UnownedJob) { job.runSynchronously(on: asUnownedSerialExecutor()) }

    // MARK: The end

    /// Ends the loop in order, and returns when its thread has ended: jobs enqueued before are run, then every handle
    /// is closed, which ends waiting operations with ``/UVLoop/UVError/canceled``, and jobs of tasks that follow from that
    /// run too. Nothing new is begun meanwhile.
    ///
    /// Tasks that go on later than that run on a thread without a loop, one after the other as before: nothing is left hanging.
    /// Idempotent; of several calls, each waits for the end.
    public func shutdown() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isFirst = end.withLock { end in
                switch end {
                case .ahead:
                    end = .underWay([continuation])
                    return true
                case .underWay(let waiting): end = .underWay(waiting + [continuation])
                case .over: continuation.resume()
                }
                return false
            }
            guard isFirst else { return }
            do throws(UVError) {
                try DetachedThread.start("uvloop-end") { self.endThread() }
            } catch {
                // Other threads must not block to wait for this one.
                trap("LoopExecutor.shutdown: no thread can be made to wait for the loop's: \(error)")
            }
        }
    }

    private func endThread() {
        thread.submit { _ in
            self.takesLocalJobs.store(false, ordering: .releasing)
            self.local?.runAll()
        }
        // Waits for the thread.
        thread.shutdown()
        threadID.store(0, ordering: .releasing)
        // The loop and the executor keep each other.
        local = nil
        let waiting: [UnsafeContinuation<Void, Never>] = end.withLock { end in
            defer { end = .over }
            return if case .underWay(let waiting) = end { waiting } else { [] }
        }
        for continuation in waiting { continuation.resume() }
        late.runAll { run($0) }
    }
}

extension LoopExecutor {
    /// Jobs enqueued on the loop's own thread: they need no lock and no wake-up, and run before the loop waits.
    private final class LocalJobs {
        /// The most jobs in one tick, so that jobs which enqueue jobs do not hold up the loop.
        private static let jobsPerTick = 4096

        let loop: Loop
        private let run: (UnownedJob) -> Void
        private var waiting: [UnownedJob] = []
        private var running: [UnownedJob] = []

        init(on loop: Loop, _ run: @escaping (UnownedJob) -> Void) {
            self.loop = loop
            self.run = run
            loop.beforeEachWait { [self] in runSome() }
        }

        func add(_ job: UnownedJob) { waiting.append(job) }

        /// Runs the waiting jobs, and those that they enqueue.
        func runAll() { while !waiting.isEmpty { runSome() } }

        private func runSome() {
            var count = 0
            while !waiting.isEmpty, count < LocalJobs.jobsPerTick {
                swap(&waiting, &running)
                for job in running { run(job) }
                count += running.count
                running.removeAll(keepingCapacity: running.capacity <= LocalJobs.jobsPerTick)
            }
            // The loop's wait then ends at once.
            if !waiting.isEmpty { loop.onNextTick {} }
        }
    }
}
