internal import CLibUV

/// A loop below another poller, which waits for the loop as for any descriptor.
///
/// The host waits until ``backendDescriptor`` is readable, for at most ``backendTimeout``, then calls ``Loop/run(_:)`` with
/// ``Loop/RunMode/noWait``, and looks at the timeout again. When its own code begins something on the loop in between,
/// ``onBackendChange`` tells that the present wait may be too long.
extension Loop {
    /// A descriptor that is readable when the loop has events. Mirrors `uv_backend_fd`.
    public var backendDescriptor: Int32 { uv_backend_fd(openRaw) }

    /// How long to wait for ``backendDescriptor`` at most: zero when work is due, nil for ever. Handles that do not keep a loop
    /// running count here, since their events are handled as long as the host runs. Mirrors `uv_backend_timeout`.
    public var backendTimeout: Duration? {
        let raw = openRaw
        let milliseconds = remote.whileReferenced { uv_backend_timeout(raw) }
        return milliseconds < 0 ? nil : .milliseconds(Int64(milliseconds))
    }

    /// Called when something is begun or ended on the loop while it does not run, a timer that is started for instance: the
    /// host should call ``Loop/run(_:)`` with ``Loop/RunMode/noWait`` soon, since the loop's descriptor does not tell of it.
    /// Once until the next run, and within the call that makes the change, which has not yet happened: do not use the loop in
    /// it. Jobs of other threads need no such call; they make the descriptor readable.
    public var onBackendChange: (() -> Void)? {
        get { onChange }
        set {
            requireOwner()
            onChange = newValue
        }
    }

    /// At every door through which something is begun or ended.
    @inline(__always)
    func noteChange() {
        if onChange != nil { tellChange() }
    }

    @inline(never)
    private func tellChange() {
        guard !isRunning, !hasToldChange else { return }
        hasToldChange = true
        onChange?()
    }
}
