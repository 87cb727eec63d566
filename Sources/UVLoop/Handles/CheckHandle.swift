internal import CLibUV

/// Calls back once per tick, right after the loop has waited for events. Mirrors `uv_check_t`.
public final class CheckHandle: Handle {
    private var body: ((CheckHandle) -> Void)?

    /// Creates a stopped watcher. Mirrors `uv_check_init`.
    ///
    /// - Throws: nothing in practice; libuv's manual allows an error.
    public init(on loop: Loop) throws(UVError) {
        try super.init(uv_check_t.self, on: loop) { uv_check_init(loop.raw, $0) }
    }

    /// Calls `body` from the next tick on; for a started watcher, in place of the former one.
    /// Mirrors `uv_check_start`.
    public func start(_ body: @escaping (CheckHandle) -> Void) {
        loop.assertOnLoop()
        precondition(!isClosing, "CheckHandle.start: the watcher is closed")
        self.body = body
        // Fails only without a callback; starting twice is a no-op for libuv.
        _ = uv_check_start(raw.check) { raw in
            let handle: CheckHandle = object(raw!.pointee.data)
            handle.body?(handle)
        }
    }

    /// Stops calling back; it can be started again. Mirrors `uv_check_stop`.
    public func stop() {
        loop.assertOnLoop()
        // Always returns 0.
        _ = uv_check_stop(raw.check)
        body = nil
    }

    override func willClose() { body = nil }
}
