internal import CLibUV

/// Calls back once per tick, before the loop waits for events. Mirrors `uv_prepare_t`.
public final class PrepareHandle: Handle {
    private var body: ((PrepareHandle) -> Void)?

    /// Creates a stopped watcher. Mirrors `uv_prepare_init`.
    ///
    /// - Throws: nothing in practice; libuv's manual allows an error.
    public init(on loop: Loop) throws(UVError) {
        try super.init(uv_prepare_t.self, on: loop) { uv_prepare_init(loop.raw, $0) }
    }

    /// Calls `body` from the next tick on; for a started watcher, in place of the former one.
    /// Mirrors `uv_prepare_start`.
    public func start(_ body: @escaping (PrepareHandle) -> Void) {
        guard isUsable("PrepareHandle.start: the watcher is closed") else { return }
        self.body = body
        // Fails only without a callback; starting twice is a no-op for libuv.
        _ = uv_prepare_start(raw.prepare) { raw in
            let handle: PrepareHandle = object(raw!.pointee.data)
            handle.body?(handle)
        }
    }

    /// Stops calling back; it can be started again. Does nothing after a close. Mirrors `uv_prepare_stop`.
    public func stop() {
        guard !isClosing else { return }
        loop.requireOwner()
        // Always returns 0.
        _ = uv_prepare_stop(raw.prepare)
        body = nil
    }

    override func willClose() { body = nil }
}
