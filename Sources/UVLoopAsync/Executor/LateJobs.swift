internal import Synchronization
internal import UVLoop

/// Jobs of tasks that outlive their executor's loop, run one after the other by a thread that lives while there are
/// any. None runs before the loop's thread has ended, since that runs jobs itself until then.
final class LateJobs: Sendable {
    private struct State {
        var jobs: [UnownedJob] = []
        /// True while a thread runs jobs: at first the loop's.
        var isRunning = true
    }

    private let state = Lock(State())
    /// The id of the thread that runs the jobs; 0 if there is none.
    private let threadID = Atomic<UInt>(0)

    var isOnThread: Bool { threadID.load(ordering: .acquiring) == DetachedThread.currentID }

    func add(_ job: UnownedJob, _ run: @escaping @Sendable (UnownedJob) -> Void) {
        let isFirst = state.withLock { state in
            state.jobs.append(job)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isFirst else { return }
        do throws(UVError) {
            try DetachedThread.start("uvloop-late") { self.runAll(run) }
        } catch {
            // No thread can be made: the jobs run here, and no other thread runs any meanwhile.
            runAll(run)
        }
    }

    /// Runs all jobs, one after the other. Called when the loop's thread has ended, for those that came before, and by the
    /// thread of later ones.
    func runAll(_ run: (UnownedJob) -> Void) {
        threadID.store(DetachedThread.currentID, ordering: .releasing)
        while let jobs = next() {
            for job in jobs { run(job) }
        }
    }

    /// The next jobs; nil if there are none, and then the thread ends.
    private func next() -> [UnownedJob]? {
        state.withLock { state in
            guard !state.jobs.isEmpty else {
                threadID.store(0, ordering: .releasing)
                state.isRunning = false
                return nil
            }
            defer { state.jobs = [] }
            return state.jobs
        }
    }
}
