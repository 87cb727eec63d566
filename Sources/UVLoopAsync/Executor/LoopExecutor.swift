internal import Synchronization
public import UVLoop

/// A loop on a thread of its own that runs Swift's tasks: the executor of actors that are pinned to it, and of tasks that
/// prefer it.
///
/// An actor is pinned by its `unownedExecutor`. What it does then runs on the loop's thread, where it may use ``loop`` and
/// everything that is made on it; a call from one actor of an executor to another of the same one changes no thread. Jobs of
/// tasks run in the order in which they were enqueued, before the loop waits for events again. Must be ended by
/// ``shutdown()``, and kept as long as an actor is pinned to it.
public final class LoopExecutor: SerialExecutor, TaskExecutor, Sendable {
    private let thread: LoopThread
    /// Jobs that come when the loop has ended.
    private let late = LateJobs()
    /// The loop's thread; 0 before its first job.
    private let threadID = Atomic<UInt>(0)
    /// False once the loop is about to end: jobs take the other way then, which knows how it ends.
    private let takesLocalJobs = Atomic<Bool>(false)
    /// Touched on the loop's thread alone.
    private nonisolated(unsafe) var local: LocalJobs?
    private let end = Lock(End.ahead)

    private enum End {
        case ahead
        /// Those that wait for it.
        case underWay([UnsafeContinuation<Void, Never>])
        case over
    }

    /// Starts the thread.
    ///
    /// - Parameter name: the thread's name for debuggers; Linux keeps its first 15 bytes.
    /// - Throws: what ``/UVLoop/LoopThread/init(name:)`` throws.
    public init(name: String = "uvloop") throws(UVError) {
        thread = try LoopThread(name: name)
        // Comes before every job.
        thread.submit { [self] loop in
            loop.runTask = { [unowned self] in run($0) }
            local = LocalJobs(on: loop) { [unowned self] in run($0) }
            threadID.store(DetachedThread.currentID, ordering: .releasing)
            takesLocalJobs.store(true, ordering: .releasing)
        }
    }

    /// The loop. Traps elsewhere than on its thread, which is where actors run that are pinned to this executor.
    public var loop: Loop {
        guard isOnThread, let local else { trap("LoopExecutor.loop: it is used on the loop's thread only") }
        return local.loop
    }

    /// Runs `body` on the loop's thread, on a later tick, and returns its result.
    ///
    /// - Throws: ``/UVLoop/UVError/canceled`` after ``shutdown()``.
    public func run<Value: Sendable>(_ body: @escaping @Sendable (Loop) -> Value) async throws(UVError) -> Value {
        let result: Result<Value, UVError> = await withUnsafeContinuation { continuation in
            let isTaken = thread.submit { continuation.resume(returning: .success(body($0))) }
            if !isTaken { continuation.resume(returning: .failure(.canceled)) }
        }
        return try result.get()
    }

    /// Runs `body` on the loop's thread, on a later tick; false, and it does not run, after ``shutdown()``.
    @discardableResult
    public func submit(_ body: @escaping @Sendable (Loop) -> Void) -> Bool { thread.submit(body) }

    // MARK: Jobs

    /// For the runtime: takes a job of a task, without memory for it beyond its place in a queue.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isOnThread, takesLocalJobs.load(ordering: .relaxed), let local { return local.add(job) }
        if thread.remote.submit(task: job) { return }
        late.add(job) { [self] in run($0) }
    }

    /// For the runtime: this executor as that of an actor.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// For the runtime: this executor as that of tasks.
    public func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// For the runtime: traps if the calling thread is not the one that runs this executor's jobs.
    public func checkIsolated() {
        guard isIsolatingCurrentContext() == true else {
            trap("LoopExecutor: this is used by actors of the executor, on its loop's thread, only")
        }
    }

    /// For the runtime: whether the calling thread is the one that runs this executor's jobs.
    public func isIsolatingCurrentContext() -> Bool? { isOnThread || late.isOnThread }

    /// True on the loop's thread; false for jobs that come when the loop has ended.
    package var isOnThread: Bool { threadID.load(ordering: .acquiring) == DetachedThread.currentID }

    /// Not as a job of the task executor too: for tasks without a preference, nearly all, every call to an actor would then
    /// be a switch of executors.
    private func run(_ job: UnownedJob) { job.runSynchronously(on: asUnownedSerialExecutor()) }

    // MARK: The end

    /// Ends the loop in order, and returns when its thread has ended: jobs that were enqueued before run, then every handle is
    /// closed, which ends operations that wait with ``/UVLoop/UVError/canceled``, and what follows from that runs too.
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
                // No other thread may wait for this one.
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
        let waiting: [UnsafeContinuation<Void, Never>] = end.withLock { end in
            defer { end = .over }
            return if case .underWay(let waiting) = end { waiting } else { [] }
        }
        for continuation in waiting { continuation.resume() }
    }
}

extension LoopExecutor {
    /// Jobs that are enqueued on the loop's thread itself: they need no lock and no wake-up, and run before the loop waits.
    private final class LocalJobs {
        /// Bounds how long one tick runs jobs that jobs have enqueued.
        private static let jobsPerTick = 4096

        let loop: Loop
        private let run: (UnownedJob) -> Void
        private var waiting: [UnownedJob] = []
        private var running: [UnownedJob] = []

        init(on loop: Loop, _ run: @escaping (UnownedJob) -> Void) {
            self.loop = loop
            self.run = run
            loop.beforeEachWait { [unowned self] in runSome() }
        }

        func add(_ job: UnownedJob) { waiting.append(job) }

        /// Runs those that wait, and those that they enqueue.
        func runAll() { while !waiting.isEmpty { runSome() } }

        private func runSome() {
            var count = 0
            while !waiting.isEmpty, count < LocalJobs.jobsPerTick {
                swap(&waiting, &running)
                for job in running { run(job) }
                count += running.count
                running.removeAll(keepingCapacity: running.capacity <= LocalJobs.jobsPerTick)
            }
            // The wait ends at once.
            if !waiting.isEmpty { loop.onNextTick {} }
        }
    }
}
