internal import CLibUV

/// Watches for a signal sent to this process.
///
/// libuv's handler is process-wide and replaces any handler that was there. When the last watcher of a signal stops,
/// the default action is restored, not the former handler (H50). Several signals may arrive as one. Mirrors
/// `uv_signal_t`.
public final class SignalHandle: Handle {
    private var body: ((SignalHandle, Signal) -> Void)?
    private var isOnce = false

    /// Creates a stopped watcher. Mirrors `uv_signal_init`.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles``: a loop opens a pipe for its first watcher.
    public init(on loop: Loop) throws(UVError) {
        try super.init(uv_signal_t.self, on: loop) { uv_signal_init(loop.raw, $0) }
    }

    /// Calls `body` on the loop whenever `signal` arrives; if `once` is true, the first time only.
    ///
    /// Restarts a started watcher. Mirrors `uv_signal_start` and `uv_signal_start_oneshot`.
    ///
    /// - Throws: ``UVError/invalidArgument`` for a signal that cannot be caught, ``UVError/canceled`` if the loop has
    /// closed the watcher.
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
                // A one-shot watcher is stopped here, before the call. libuv's own one-shot watcher stops after the
                // call, which would undo a start in the callback, and stays one-shot for ever.
                if handle.isOnce { handle.stop() }
                body(handle, Signal(rawValue: number))
            },
            signal.rawValue,
        )
        try check(status)
        self.body = body
        isOnce = once
    }

    /// Stops watching; the watcher can be started again. Does nothing after a close. Mirrors `uv_signal_stop`.
    public func stop() {
        // libuv would abort the process for a closing handle.
        guard !isClosing else { return }
        loop.requireOwner()
        // `uv_signal_stop` always returns 0.
        _ = uv_signal_stop(raw.signal)
        body = nil
    }

    override func willClose() { body = nil }
}
