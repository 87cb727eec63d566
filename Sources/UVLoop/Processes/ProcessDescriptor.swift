internal import CLibUV

/// A hold on one process: signals and answers through it concern that process, never a later one with the same id.
///
/// On a system without pidfds, the start time tells the process from a later one, except in the instant between the
/// check and the signal. Mirrors `pidfd_open(2)`.
public final class ProcessDescriptor {
    /// The process's id.
    public let pid: Int32
    /// The pidfd, readable once the process has ended; this object closes it. -1 on a system without pidfds.
    public var descriptor: Int32 { pidfd?.number ?? -1 }
    private var pidfd: OwnedDescriptor?
    /// The identity used instead of a pidfd.
    private let identity: ProcessIdentity?

    /// Takes hold of the process that has this id now.
    ///
    /// - Throws: ``UVError/noProcess`` if there is none, ``UVError/invalidArgument`` for ids below 1,
    /// ``UVError/tooManyOpenFiles`` and its like; ``UVError/notSupported`` on a Linux that offers neither a pidfd nor a
    /// start time.
    public init(of pid: Int32) throws(UVError) {
        guard pid > 0 else { throw .invalidArgument }
        self.pid = pid
        #if os(Linux)
        let number = uvloop_pidfd_open(pid)
        guard number < 0 else {
            pidfd = OwnedDescriptor(number)
            identity = nil
            return
        }
        let error = UVError(errno: uvloop_errno())
        guard error == .notImplemented || error == .notPermitted else { throw error }
        #endif
        pidfd = nil
        identity = ProcessIdentity(of: pid)
        #if os(Linux)
        if identity == nil { throw Processes.liveness(of: pid) == .gone ? .noProcess : .notSupported }
        #else
        // Other systems do not tell the start time either. The number alone identifies the process, until no process
        // has it.
        if Processes.liveness(of: pid) == .gone { throw .noProcess }
        #endif
    }

    /// Takes ownership of a pidfd of the process with this id.
    init(takingOwnershipOf descriptor: CInt, pid: Int32) {
        self.pid = pid
        pidfd = OwnedDescriptor(descriptor)
        identity = nil
    }

    deinit { pidfd.take()?.close() }

    /// Gives the pidfd away, -1 if there is none: the caller closes it, and this object has lost its hold.
    func release() -> CInt { pidfd.take()?.release() ?? -1 }

    /// True if the process has ended, even if its parent has not collected its status.
    public var hasEnded: Bool {
        guard descriptor >= 0 else { return identity.map { !$0.isRunning } ?? (Processes.liveness(of: pid) == .gone) }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1
    }

    /// True if the process leads a group of its own.
    public var leadsGroup: Bool { pid > 1 && getpgid(pid) == pid && !hasEnded }

    /// Sends a signal to every process of the group that the process leads.
    ///
    /// - Throws: ``UVError/noProcess`` if the process has ended or leads no group, ``UVError/notPermitted``.
    public func sendToGroup(_ signal: Signal) throws(UVError) {
        guard leadsGroup else { throw .noProcess }
        #if os(Linux)
        if descriptor >= 0, uvloop_pidfd_signal_group(descriptor, signal.rawValue) == 0 { return }
        // A kernel before 6.9 signals a group by number only, so the process is checked right before.
        guard !hasEnded else { throw .noProcess }
        #endif
        try Processes.send(signal, toGroup: pid)
    }

    /// Sends the process a signal, with a value that its handler can read.
    ///
    /// - Throws: ``UVError/noProcess`` once the process has ended, ``UVError/notPermitted`` if it belongs to another
    /// user.
    public func send(_ signal: Signal, value: UInt64? = nil) throws(UVError) {
        guard !hasEnded else { throw .noProcess }
        #if os(Linux)
        if descriptor >= 0 {
            let result =
                value.map { uvloop_pidfd_queue_signal(descriptor, signal.rawValue, $0) }
                ?? uvloop_pidfd_send_signal(descriptor, signal.rawValue)
            guard result != 0 else { return }
            let error = UVError(errno: uvloop_errno())
            // A filter of system calls may allow `pidfd_open` and refuse this call. The signal is then sent by number,
            // right after a check.
            guard error == .notImplemented || (error == .notPermitted && !hasEnded) else { throw error }
        }
        guard pid > 1, !hasEnded else { throw pid > 1 ? .noProcess : .notPermitted }
        if let value {
            try checkErrno(uvloop_queue_signal(pid, signal.rawValue, value))
            return
        }
        #endif
        try Processes.send(signal, to: pid)
    }
}

@available(*, unavailable)
extension ProcessDescriptor: Sendable {}
