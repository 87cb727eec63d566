internal import CLibUV

/// The loop's queue of callbacks for the next tick; libuv's way to do Node's `setImmediate`.
///
/// A check callback runs them right after the poll; an idle handle, active only while a callback waits, keeps that poll
/// from waiting and the loop from ending. An empty queue costs a tick nothing. The timers that run before and after the
/// queue differ between versions of libuv (H54).
final class Ticker {
    private let check = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
    private let idle = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)
    private var waiting: [Callback] = []
    private var running: [Callback] = []

    /// A callback. An array of bare closures would cost two allocations for each: one wrapper in the array, one for the
    /// call.
    private struct Callback {
        let run: () -> Void
    }

    init(on loop: UnsafeMutablePointer<uv_loop_t>) {
        // Both calls always return 0. The handles have no data, by which `Loop.openHandles` knows that they are
        // internal; the check callback finds the ticker through the loop.
        _ = uv_check_init(loop, check)
        _ = uv_idle_init(loop, idle)
        check.pointee.data = nil
        idle.pointee.data = nil
    }

    var count: Int { waiting.count + running.count }
    var isEmpty: Bool { count == 0 }

    func add(_ body: @escaping () -> Void) {
        waiting.append(Callback(run: body))
        guard waiting.count == 1 else { return }
        // The calls cannot fail: a callback is given.
        _ = uv_idle_start(idle) { _ in }
        _ = uv_check_start(check) { check in
            let loop: Loop = object(check!.pointee.loop.pointee.data)
            loop.ticker.runWaiting()
        }
    }

    /// Runs the callbacks that wait now; those they add wait for the next tick.
    private func runWaiting() {
        swap(&waiting, &running)
        _ = uv_idle_stop(idle)
        _ = uv_check_stop(check)
        for callback in running { callback.run() }
        running.removeAll(keepingCapacity: running.capacity <= 1024)
    }

    func close() {
        uv_close(check.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
        uv_close(idle.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
    }
}
