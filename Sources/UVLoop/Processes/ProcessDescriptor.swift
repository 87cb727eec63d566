internal import CLibUV

/// A hold on one process: a signal sent through it, and an answer of it, is of that process and of no later one that has
/// its id.
///
/// Where the system has no pidfds, the start time tells the process from a later one, up to the instant between the look
/// and the signal. Mirrors `pidfd_open(2)`.
public final class ProcessDescriptor {
    /// The process's id.
    public let pid: Int32
    /// The pidfd, readable once the process has ended; it stays this object's. -1 where the system has none.
    public var descriptor: Int32 { pidfd?.number ?? -1 }
    private var pidfd: OwnedDescriptor?
    /// In place of a pidfd.
    private let identity: ProcessIdentity?

    /// Takes hold of the process that has this id now.
    ///
    /// - Throws: ``UVError/noProcess`` if there is none, ``UVError/invalidArgument`` for ids below 1,
    ///   ``UVError/tooManyOpenFiles`` and its like; ``UVError/notSupported`` on a Linux where neither a pidfd nor a start
    ///   time is to be had.
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
        // Other systems tell no start time either; the number alone remains, until it is nobody's.
        if Processes.liveness(of: pid) == .gone { throw .noProcess }
        #endif
    }

    /// Takes over a pidfd of the process with this id.
    init(takingOwnershipOf descriptor: CInt, pid: Int32) {
        self.pid = pid
        pidfd = OwnedDescriptor(descriptor)
        identity = nil
    }

    deinit { pidfd.take()?.close() }

    /// True if the process has ended, also if its parent has not noticed.
    public var hasEnded: Bool {
        guard descriptor >= 0 else { return identity.map { !$0.isRunning } ?? (Processes.liveness(of: pid) == .gone) }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1
    }

    /// True if the process leads a group of its own.
    public var leadsGroup: Bool { pid > 1 && getpgid(pid) == pid && !hasEnded }

    /// Sends a signal to every process of the group that the process leads.
    ///
    /// - Throws: ``UVError/noProcess`` if it has ended or leads none, ``UVError/notPermitted``.
    public func sendToGroup(_ signal: Signal) throws(UVError) {
        guard leadsGroup else { throw .noProcess }
        #if os(Linux)
        if descriptor >= 0, uvloop_pidfd_signal_group(descriptor, signal.rawValue) == 0 { return }
        // Kernels before 6.9: by number, right after a look.
        guard !hasEnded else { throw .noProcess }
        #endif
        try Processes.send(signal, toGroup: pid)
    }

    /// Sends the process a signal, with a value that its handler can see if there is one.
    ///
    /// - Throws: ``UVError/noProcess`` once it has ended, ``UVError/notPermitted`` if it is somebody else's.
    public func send(_ signal: Signal, value: UInt64? = nil) throws(UVError) {
        guard !hasEnded else { throw .noProcess }
        #if os(Linux)
        if descriptor >= 0 {
            let result =
                value.map { uvloop_pidfd_queue_signal(descriptor, signal.rawValue, $0) }
                ?? uvloop_pidfd_send_signal(descriptor, signal.rawValue)
            guard result != 0 else { return }
            let error = UVError(errno: uvloop_errno())
            // A filter of system calls may know the one call and not the other: then by number, right after a look.
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
