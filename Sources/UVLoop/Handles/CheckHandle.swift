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
        guard isUsable("CheckHandle.start: the watcher is closed") else { return }
        self.body = body
        // Fails only without a callback; starting twice is a no-op for libuv.
        _ = uv_check_start(raw.check) { raw in
            let handle: CheckHandle = object(raw!.pointee.data)
            handle.body?(handle)
        }
    }

    /// Stops calling back; it can be started again. Does nothing after a close. Mirrors `uv_check_stop`.
    public func stop() {
        guard !isClosing else { return }
        loop.requireOwner()
        // Always returns 0.
        _ = uv_check_stop(raw.check)
        body = nil
    }

    override func willClose() { body = nil }
}
