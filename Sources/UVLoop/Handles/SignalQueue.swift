#if os(Linux)
internal import CLibUV

/// Signals sent to this process, read from a queue, each with the value it carries.
///
/// For programs that have one thread and own their process. The signals are blocked on the calling thread for good, so
/// none interrupts a call and none is lost while no loop runs. Several waiting signals of one kind may arrive as one. A
/// started child has an empty mask. Mirrors `signalfd(2)`.
public final class SignalQueue: Handle {
    /// A signal that has arrived.
    public struct Arrival: Hashable, Sendable {
        /// The signal that arrived.
        public let signal: Signal
        /// The value that the sender passed; nil if there was none. Mirrors `sigqueue(3)`.
        public let value: UInt64?
    }

    private let descriptor: CInt
    private var body: ((Arrival) -> Void)?

    /// Sets the calling thread's mask to these signals: those that arrive from now on wait to be read. For the first
    /// lines of a program's main, before there is a loop; an inherited mask is dropped.
    public static func block(_ signals: [Signal]) {
        var set = signalSet(signals)
        // `pthread_sigmask` cannot fail: the arguments are valid.
        _ = pthread_sigmask(SIG_SETMASK, &set, nil)
    }

    /// Calls `body` for each of the signals, which must be blocked: ``block(_:)``.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles``, ``UVError/noSpace`` if the user's watches have run out, and their like.
    public init(_ signals: [Signal], on loop: Loop, _ body: @escaping (Arrival) -> Void) throws(UVError) {
        var set = SignalQueue.signalSet(signals)
        let descriptor = try checkErrno(signalfd(-1, &set, CInt(SFD_NONBLOCK | SFD_CLOEXEC)))
        let owned = OwnedDescriptor(descriptor)
        self.descriptor = descriptor
        do throws(UVError) {
            try super.init(uv_poll_t.self, on: loop) { uv_poll_init(loop.raw, $0, descriptor) }
        } catch {
            owned.close()
            throw error
        }
        _ = owned.release()
        self.body = body
        let status = uv_poll_start(raw.poll, CInt(UV_READABLE.rawValue)) { raw, _, _ in
            let queue: SignalQueue = object(raw!.pointee.data)
            queue.readAll()
        }
        do throws(UVError) {
            try check(status)
            try Watches.reserve(descriptor, on: loop.raw)
        } catch {
            // The handle exists by now, and its close closes the descriptor.
            close()
            throw error
        }
    }

    /// Waits until a read of the descriptor would not block, or until one of the signals has arrived. The signals must
    /// be blocked; the one that arrived stays for the queue to read. For a program that has no loop yet, and nothing to
    /// clean up.
    ///
    /// - Throws: ``UVError/interrupted`` if a signal has arrived, even before the call; ``UVError/tooManyOpenFiles``
    /// and its like.
    public static func wait(toRead descriptor: Int32, unless signals: [Signal]) throws(UVError) {
        var set = signalSet(signals)
        let queue = OwnedDescriptor(try checkErrno(signalfd(-1, &set, CInt(SFD_CLOEXEC))))
        try queue.whileOpen { arrivals throws(UVError) in
            var entries = [descriptor, arrivals].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            // `poll` is interrupted when the process is stopped and continued.
            while poll(&entries, 2, -1) == -1 {
                guard uvloop_errno() == EINTR else { throw UVError(errno: uvloop_errno()) }
            }
            guard entries[1].revents == 0 else { throw .interrupted }
        }
    }

    private func readAll() {
        var info = signalfd_siginfo()
        while !isClosing, let body,
            read(descriptor, &info, MemoryLayout<signalfd_siginfo>.size) == MemoryLayout<signalfd_siginfo>.size
        {
            // The code is SI_QUEUE, a macro that Swift does not import.
            let isQueued = info.ssi_code == -1
            body(Arrival(signal: Signal(rawValue: CInt(info.ssi_signo)), value: isQueued ? info.ssi_ptr : nil))
        }
    }

    override func willClose() {
        body = nil
        // libuv allows closing the descriptor once the poll has stopped.
        _ = uv_poll_stop(raw.poll)
        OwnedDescriptor(descriptor).close()
    }

    private static func signalSet(_ signals: [Signal]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal.rawValue) }
        return set
    }
}
#endif
