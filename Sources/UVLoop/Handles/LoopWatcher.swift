internal import CLibUV

/// A callback that runs once in every tick; the subclasses differ in their place within the tick.
///
/// libuv's order within a tick: ``IdleHandle``, ``PrepareHandle``, the wait for events, ``CheckHandle``.
public class LoopWatcher: Handle {
    private var body: ((LoopWatcher) -> Void)?

    /// Calls `body` with this watcher, once per tick from the next tick on; starting again replaces the callback. Does
    /// nothing if the loop has closed the watcher. Mirrors `uv_prepare_start`, `uv_check_start`, `uv_idle_start`.
    public final func start(_ body: @escaping (LoopWatcher) -> Void) {
        guard isUsable("\(publicName).start: the watcher is closed") else { return }
        self.body = body
        startWatching()
    }

    /// Stops calling back; the watcher can be started again. Does nothing after a close. Mirrors `uv_prepare_stop`,
    /// `uv_check_stop`, `uv_idle_stop`.
    public final func stop() {
        guard !isClosing else { return }
        loop.requireOwner()
        stopWatching()
        body = nil
    }

    fileprivate final func tick() { body?(self) }

    /// Calls the C function that starts, which fails only without a callback; starting twice does nothing.
    fileprivate func startWatching() {}

    /// Calls the C function that stops, which always returns 0.
    fileprivate func stopWatching() {}

    override func willClose() { body = nil }
}

/// Calls back right before the loop waits for events. Mirrors `uv_prepare_t`.
public final class PrepareHandle: LoopWatcher {
    /// Creates a stopped watcher. Mirrors `uv_prepare_init`.
    public init(on loop: Loop) {
        super.init(uv_prepare_t.self, on: loop) { _ = uv_prepare_init(loop.raw, $0) }
    }

    fileprivate override func startWatching() {
        _ = uv_prepare_start(raw.prepare) { withHandle($0!.pointee.data, as: PrepareHandle.self) { $0.tick() } }
    }

    fileprivate override func stopWatching() { _ = uv_prepare_stop(raw.prepare) }
}

/// Calls back right after the loop has waited for events. Mirrors `uv_check_t`.
public final class CheckHandle: LoopWatcher {
    /// Creates a stopped watcher. Mirrors `uv_check_init`.
    public init(on loop: Loop) {
        super.init(uv_check_t.self, on: loop) { _ = uv_check_init(loop.raw, $0) }
    }

    fileprivate override func startWatching() {
        _ = uv_check_start(raw.check) { withHandle($0!.pointee.data, as: CheckHandle.self) { $0.tick() } }
    }

    fileprivate override func stopWatching() { _ = uv_check_stop(raw.check) }
}

/// Calls back before the prepare callbacks, and keeps the loop from waiting at all. Mirrors `uv_idle_t`.
public final class IdleHandle: LoopWatcher {
    /// Creates a stopped watcher. Mirrors `uv_idle_init`.
    public init(on loop: Loop) {
        super.init(uv_idle_t.self, on: loop) { _ = uv_idle_init(loop.raw, $0) }
    }

    fileprivate override func startWatching() {
        _ = uv_idle_start(raw.idle) { withHandle($0!.pointee.data, as: IdleHandle.self) { $0.tick() } }
    }

    fileprivate override func stopWatching() { _ = uv_idle_stop(raw.idle) }
}
