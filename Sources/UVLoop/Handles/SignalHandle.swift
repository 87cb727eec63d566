internal import CLibUV

/// Watches for a signal sent to this process.
///
/// libuv's handler is process-wide and takes the place of whatever handler was there; when the last watcher of a signal
/// stops, the default action is back, not the former handler (H50). Bursts may arrive as one. Mirrors `uv_signal_t`.
public final class SignalHandle: Handle {
    private var body: ((SignalHandle, Signal) -> Void)?
    private var isOnce = false

    /// Creates a stopped watcher. Mirrors `uv_signal_init`.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles``: the first watcher of a loop opens a pipe.
    public init(on loop: Loop) throws(UVError) {
        try super.init(uv_signal_t.self, on: loop) { uv_signal_init(loop.raw, $0) }
    }

    /// Calls `body` on the loop whenever `signal` arrives, or, with `once`, the first time only.
    ///
    /// A started watcher is started anew. Mirrors `uv_signal_start` and `uv_signal_start_oneshot`.
    ///
    /// - Throws: ``UVError/invalidArgument`` for a signal that cannot be caught, ``UVError/canceled`` when the loop has
    ///   closed it.
    public func start(
        _ signal: Signal,
        once: Bool = false,
        _ body: @escaping (SignalHandle, Signal) -> Void,
    ) throws(UVError) {
        guard isUsable("SignalHandle.start: the watcher is closed") else { throw .canceled }
        let status = uv_signal_start(
            raw.signal,
            { raw, number in
                let handle: SignalHandle = object(raw!.pointee.data)
                guard let body = handle.body else { return }
                // Stopped by us and before the call. libuv's own one-shot watcher stops after it, which would undo a start
                // in the callback, and never forgets that it was one-shot.
                if handle.isOnce { handle.stop() }
                body(handle, Signal(rawValue: number))
            },
            signal.rawValue,
        )
        try check(status)
        self.body = body
        isOnce = once
    }

    /// Stops watching; it can be started again. Does nothing after a close. Mirrors `uv_signal_stop`.
    public func stop() {
        // libuv would abort the process.
        guard !isClosing else { return }
        loop.requireOwner()
        // Always returns 0.
        _ = uv_signal_stop(raw.signal)
        body = nil
    }

    override func willClose() { body = nil }
}
