internal import CLibUV

/// libuv's pool of threads, shared by all loops of a process. libuv makes the threads at the first job, and aborts the
/// process if one of them cannot be made (H69).
enum ThreadPool {
    /// True if the pool's threads exist or can be made.
    private static let isSafe = Lock(false)

    /// Makes as many threads as the pool will have, and ends them again, unless that was done before.
    ///
    /// - Throws: ``UVError/wouldBlock`` if the user or the container may have no more threads.
    static func prepare() throws(UVError) {
        let status = isSafe.withLock { isSafe in
            let status = isSafe ? 0 : tryThreads(size)
            isSafe = status == 0
            return status
        }
        try check(status)
    }

    /// The number of threads that libuv makes.
    private static var size: Int {
        guard let text = getenv("UV_THREADPOOL_SIZE") else { return 4 }
        // The parsing is libuv's: 0 counts as 1, and a negative number as a huge one.
        let size = Int(atoi(text))
        return size < 0 ? 1024 : min(max(1, size), 1024)
    }

    private static func tryThreads(_ count: Int) -> CInt {
        #if os(Linux)
        var threads: [uv_thread_t] = []
        let started = Started()
        // The lock holds up each thread, so that all live at once.
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
        // `uv_thread_join` cannot fail: the threads are ours, and joined once.
        for index in threads.indices { _ = uv_thread_join(&threads[index]) }
        // The kernel counts a thread a little longer than the join waits for it. The wait is bounded: a new thread of
        // the host may have got the number.
        let deadline = SystemClock.monotonicTime + .seconds(1)
        for id in started.ids.withLock({ $0 }) {
            while uvloop_thread_exists(id) != 0, SystemClock.monotonicTime < deadline { sched_yield() }
        }
        return status
        #else
        // A process may have thousands of threads here.
        return 0
        #endif
    }

    private final class Started: Sendable {
        let ids = Lock<[CInt]>([])
    }
}
