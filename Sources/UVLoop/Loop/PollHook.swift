internal import CLibUV

/// The calls before and after each wait of a loop, for an executor that runs the jobs of tasks on it.
///
/// The handles are the loop's own and keep nothing running. Mirrors `uv_prepare_t`, `uv_check_t` and `uv_poll_t`.
final class PollHook {
    private let prepare = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
    private let afterWait = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
    /// The eventfd by which other threads wake the loop, and its watch: after `uv_async_send` the loop may spin (H74). Nil where
    /// the system has none, or no descriptor is left.
    private var wakeUp: (event: EventDescriptor, poll: UnsafeMutablePointer<uv_poll_t>)?
    fileprivate let runJobs: () -> Void

    /// - Parameter runJobs: runs the executor's jobs; called before each wait, until it has run none.
    init(on loop: UnsafeMutablePointer<uv_loop_t>, _ runJobs: @escaping () -> Void) {
        self.runJobs = runJobs
        // The four calls cannot fail. Handles without data are the loop's own, see `Loop.openHandles`.
        _ = uv_prepare_init(loop, prepare)
        _ = uv_check_init(loop, afterWait)
        prepare.pointee.data = nil
        afterWait.pointee.data = nil
        uv_unref(prepare.cast(to: uv_handle_t.self))
        uv_unref(afterWait.cast(to: uv_handle_t.self))
        _ = uv_prepare_start(prepare) { prepare in
            let loop: Loop = object(prepare!.pointee.loop.pointee.data)
            loop.runJobsBeforeWait()
        }
        _ = uv_check_start(afterWait) { check in
            let loop: Loop = object(check!.pointee.loop.pointee.data)
            loop.remote.noteAwake()
        }
        do throws(UVError) { try watchEvent(on: loop) } catch {
            // The remote's handle wakes the loop.
        }
    }

    private func watchEvent(on loop: UnsafeMutablePointer<uv_loop_t>) throws(UVError) {
        let event = try EventDescriptor()
        let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
        do throws(UVError) { try check(uv_poll_init(loop, poll, event.number)) } catch {
            poll.deallocate()
            throw error
        }
        poll.pointee.data = nil
        uv_unref(poll.cast(to: uv_handle_t.self))
        // The call fails only for a handle that is closing. The jobs run before the next wait.
        _ = uv_poll_start(poll, CInt(UV_READABLE.rawValue)) { poll, _, _ in
            let loop: Loop = object(poll!.pointee.loop.pointee.data)
            loop.pollHook?.wakeUp?.event.clear()
        }
        do throws(UVError) { try Watches.reserve(event.number, on: loop) } catch {
            PollHook.close(poll)
            throw error
        }
        wakeUp = (event, poll)
        let owner: Loop = object(loop.pointee.data)
        owner.remote.wake(by: event)
    }

    /// Closes the watch: libuv forgets the descriptor at once.
    private static func close(_ poll: UnsafeMutablePointer<uv_poll_t>) {
        uv_close(poll.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
    }

    func close() {
        if let wakeUp { PollHook.close(wakeUp.poll) }
        uv_close(prepare.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
        uv_close(afterWait.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
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
