internal import CLibUV

/// The calls before and after each wait of a loop, for an executor that runs the jobs of tasks on it.
///
/// Both handles are the loop's own and keep nothing running. Mirrors `uv_prepare_t` and `uv_check_t`.
final class PollHook {
    private let prepare = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
    private let check = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
    fileprivate let runJobs: () -> Void

    /// - Parameter runJobs: runs the executor's jobs; called before each wait, until it has run none.
    init(on loop: UnsafeMutablePointer<uv_loop_t>, _ runJobs: @escaping () -> Void) {
        self.runJobs = runJobs
        // The four calls cannot fail. Handles without data are the loop's own, see `Loop.openHandles`.
        _ = uv_prepare_init(loop, prepare)
        _ = uv_check_init(loop, check)
        prepare.pointee.data = nil
        check.pointee.data = nil
        uv_unref(prepare.cast(to: uv_handle_t.self))
        uv_unref(check.cast(to: uv_handle_t.self))
        _ = uv_prepare_start(prepare) { prepare in
            let loop: Loop = object(prepare!.pointee.loop.pointee.data)
            loop.runJobsBeforeWait()
        }
        _ = uv_check_start(check) { check in
            let loop: Loop = object(check!.pointee.loop.pointee.data)
            loop.remote.noteAwake()
        }
    }

    func close() {
        uv_close(prepare.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
        uv_close(check.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
    }
}

extension Loop {
    /// Calls `runJobs` before each wait of the loop, and runs jobs of other threads there as well: while the loop is awake they
    /// need not wake it. For an executor, on the loop's thread, once.
    package func beforeEachWait(_ runJobs: @escaping () -> Void) { pollHook = PollHook(on: openRaw, runJobs) }

    /// The most rounds before one wait: jobs that submit jobs for ever must not keep the loop from its events.
    private static let roundsBeforeWait = 64

    fileprivate func runJobsBeforeWait() {
        guard let pollHook else { return }
        for _ in 0..<Loop.roundsBeforeWait {
            pollHook.runJobs()
            guard remote.hasJobsBeforeWait() else { return }
            remote.runJobs(on: self)
        }
        // The wait ends at once.
        onNextTick {}
    }
}
