internal import CLibUV

/// Driving a loop from another poller, which waits for it as for any descriptor.
///
/// The host waits until ``backendDescriptor`` is readable, for at most ``backendTimeout``, then calls ``Loop/run(_:)``
/// with ``Loop/RunMode/noWait``, and reads the timeout again. If the host's own code starts something on the loop in
/// between, ``onBackendChange`` tells that the present wait may be too long.
extension Loop {
    /// A descriptor that is readable when the loop has events. Mirrors `uv_backend_fd`.
    public var backendDescriptor: Int32 { uv_backend_fd(openRaw) }

    /// The longest time to wait for ``backendDescriptor``: zero if work is due, nil for ever. Handles that do not keep
    /// a loop running count here, since their events are handled as long as the host runs. Mirrors
    /// `uv_backend_timeout`.
    public var backendTimeout: Duration? {
        let raw = openRaw
        let milliseconds = remote.whileReferenced { uv_backend_timeout(raw) }
        return milliseconds < 0 ? nil : .milliseconds(Int64(milliseconds))
    }

    /// Called when something starts or ends on the loop while it does not run, a timer for instance: the loop's
    /// descriptor does not tell of that, so the host should soon call ``Loop/run(_:)`` with ``Loop/RunMode/noWait``.
    /// Called once until the next run, within the call that makes the change and before the change has happened: do not
    /// use the loop in it. Jobs of other threads do not call it; they make the descriptor readable.
    public var onBackendChange: (() -> Void)? {
        get { onChange }
        set {
            requireOwner()
            onChange = newValue
        }
    }

    /// Reports a change to an embedding host. Called wherever something starts or ends.
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
