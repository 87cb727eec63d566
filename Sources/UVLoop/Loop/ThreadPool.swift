internal import CLibUV

/// libuv's pool of threads, which all loops of a process share. libuv makes its threads with the first job, and aborts the
/// process if one of them cannot be made (H69).
enum ThreadPool {
    /// True if the pool has been given a job, or can be.
    private static let isSafe = Lock(false)

    /// Makes as many threads as the pool will, and ends them again, unless that was done before.
    ///
    /// - Throws: ``UVError/wouldBlock`` when the user or the container may have no more threads.
    static func prepare() throws(UVError) {
        let status = isSafe.withLock { isSafe in
            let status = isSafe ? 0 : tryThreads(size)
            isSafe = status == 0
            return status
        }
        try check(status)
    }

    /// How many threads libuv makes.
    private static var size: Int {
        guard let text = getenv("UV_THREADPOOL_SIZE") else { return 4 }
        // As libuv reads it: none is one, and a negative number a huge one.
        let size = Int(atoi(text))
        return size < 0 ? 1024 : min(max(1, size), 1024)
    }

    private static func tryThreads(_ count: Int) -> CInt {
        #if os(Linux)
        var threads: [uv_thread_t] = []
        let started = Started()
        // All live at once, held up by the lock.
        let status = started.ids.withLock { _ in
            for _ in 0..<count {
                var thread = uv_thread_t()
                let status = uv_thread_create(
                    &thread,
                    { argument in
                        let started: Started = object(argument!)
                        started.ids.withLock { $0.append(uvloop_thread_id()) }
                    },
                    Unmanaged.passUnretained(started).toOpaque(),
                )
                guard status == 0 else { return status }
                threads.append(thread)
            }
            return 0
        }
        // Cannot fail: they are ours, and joined once.
        for index in threads.indices { _ = uv_thread_join(&threads[index]) }
        // The kernel counts a thread a little longer than the join waits for it. Not without end: the number may have been
        // given to a new thread of the host's.
        let deadline = SystemClock.monotonicTime + .seconds(1)
        for id in started.ids.withLock({ $0 }) {
            while uvloop_thread_exists(id) != 0, SystemClock.monotonicTime < deadline { sched_yield() }
        }
        return status
        #else
        // A process has thousands of threads to itself.
        return 0
        #endif
    }

    private final class Started: Sendable {
        let ids = Lock<[CInt]>([])
    }
}
