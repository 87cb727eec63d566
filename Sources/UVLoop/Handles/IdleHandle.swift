internal import CLibUV

/// Calls back once per tick, in every tick, before the prepare callbacks, and keeps the loop from waiting at all.
/// Mirrors `uv_idle_t`.
public final class IdleHandle: Handle {
    private var body: ((IdleHandle) -> Void)?

    /// Creates a stopped watcher. Mirrors `uv_idle_init`.
    ///
    /// - Throws: nothing in practice; libuv's manual allows an error.
    public init(on loop: Loop) throws(UVError) {
        try super.init(uv_idle_t.self, on: loop) { uv_idle_init(loop.raw, $0) }
    }

    /// Calls `body` from the next tick on; for a started watcher, in place of the former one.
    /// Mirrors `uv_idle_start`.
    public func start(_ body: @escaping (IdleHandle) -> Void) {
        guard isUsable("IdleHandle.start: the watcher is closed") else { return }
        self.body = body
        // Fails only without a callback; starting twice is a no-op for libuv.
        _ = uv_idle_start(raw.idle) { raw in
            withHandle(raw!.pointee.data, as: IdleHandle.self) { $0.body?($0) }
        }
    }

    /// Stops calling back; it can be started again. Does nothing after a close. Mirrors `uv_idle_stop`.
    public func stop() {
        guard !isClosing else { return }
        loop.requireOwner()
        // Always returns 0.
        _ = uv_idle_stop(raw.idle)
        body = nil
    }

    override func willClose() { body = nil }
}
