internal import CLibUV

/// A connected unix socket (a named pipe on Windows), or one end of a pipe: read from it, write to it, close it.
///
/// The stream tries every write at once; what the kernel does not take is queued in memory and sent when the peer reads
/// (Node's model). The queue has no limit of its own (H27): a producer stops when ``write(_:completion:)-(RawSpan,_)`` returns
/// false and goes on at ``onDrain``. Mirrors `uv_pipe_t` and `uv_stream_t`.
public final class PipeStream: Handle {
    /// The size of the write queue, in bytes, at which a producer should pause. Default 65536.
    public var highWaterMark = 65536

    /// Called whenever the write queue has become empty, on a later tick than the write that filled it.
    public var onDrain: ((PipeStream) -> Void)?

    /// Called once, on a later tick, when a write has failed, or the loop has closed the stream; what was queued is lost and
    /// further writes fail. For writers that pass no completions. Not called after ``Handle/close(_:)``.
    public var onWriteError: ((PipeStream, UVError) -> Void)?

    /// The most bytes that one read takes, at least 1; more wait in the kernel. Default: what the loop's buffer holds.
    public var maximumReadLength = ReadBuffer.capacity

    /// The only byte that may come next; nil: any. If another one does, it stays unread, and reading ends with
    /// ``UVError/noBuffers``: a close then is a reset for the peer (H29). Sockets only.
    public var onlyNextByte: UInt8?

    // Reading: PipeStream+Reading.swift
    var onBytes: ((PipeStream, RawSpan) -> Void)?
    var onEnd: ((PipeStream, UVError?) -> Void)?
    var hasReadToEnd = false

    // Connecting: PipeStream+Connecting.swift
    var onConnect: ((PipeStream, UVError?) -> Void)?

    // Writing: PipeStream+Writing.swift
    /// Touched many times per write, on one thread, and never across a call to anybody else's code: a check at run time each
    /// time would cost a connection for one line a seventh of its instructions.
    @exclusivity(unchecked) var sending: Sending
    /// Runs while no watch is left for what is queued.
    var flushTimer: TimerHandle?

    /// The state of the writing side.
    struct Sending: ~Copyable {
        /// A completion waits until the first `end` bytes ever submitted have been taken, or the write has failed.
        struct Waiter {
            let end: UInt64
            var error: UVError?
            /// Nil once it was called.
            var completion: ((UVError?) -> Void)?
        }

        enum Finish {
            case open
            /// `shutdown` was called; it is passed on when the queue is empty.
            case requested([(UVError?) -> Void])
            /// It was passed on; who waits for it is told on the next tick.
            case passedOn([(UVError?) -> Void])
            case done(UVError?)

            /// Of a shutdown that has not ended.
            var completions: [(UVError?) -> Void]? {
                switch self {
                case .requested(let completions), .passedOn(let completions): completions
                case .open, .done: nil
                }
            }
        }

        /// False until a connect has succeeded: nothing is handed to libuv before (H18, H19).
        var isOpen: Bool
        var error: UVError?
        /// Bytes ever passed to `write`.
        var submitted: UInt64 = 0
        /// Bytes of finished writes: taken by the kernel, or, after an error, possibly taken.
        var finished: UInt64 = 0
        /// What libuv is writing now; empty when it is not.
        var inFlight = Outbox()
        var waiting = Outbox()
        var waiters: [Waiter] = []
        var firstWaiter = 0
        var isDeliveryScheduled = false
        var finish = Finish.open
        var request: UnsafeMutablePointer<uv_write_t>?

        mutating func startWriting() { swap(&waiting, &inFlight) }

        /// What is queued is dropped, and every write not taken in full is marked with the error.
        mutating func drop(_ error: UVError) {
            inFlight.removeAll()
            dropWaiting(error, after: finished)
        }

        /// The same, but what libuv is writing goes on: its memory is in use, and its bytes may arrive in full.
        mutating func dropWaiting(_ error: UVError) { dropWaiting(error, after: finished + UInt64(inFlight.count)) }

        private mutating func dropWaiting(_ error: UVError, after end: UInt64) {
            self.error = error
            waiting.removeAll()
            for index in firstWaiter..<waiters.count where !isOpen || waiters[index].end > end {
                waiters[index].error = waiters[index].error ?? error
            }
        }

        func isTaken(_ waiter: Waiter) -> Bool { isOpen && waiter.end <= finished }

        /// Gives back the places of completions that were called; not for each one alone, which would move the others.
        mutating func dropDelivered() {
            guard firstWaiter == waiters.count || firstWaiter > max(64, waiters.count / 2) else { return }
            waiters.removeFirst(firstWaiter)
            firstWaiter = 0
        }
    }

    init(unconnectedOn loop: Loop, isOpen: Bool) throws(UVError) {
        sending = Sending(isOpen: isOpen)
        // ipc 0: passing descriptors is another protocol (H15).
        try super.init(uv_pipe_t.self, on: loop) { uv_pipe_init(loop.raw, $0, 0) }
    }

    /// Wraps a connected socket or the end of a pipe and takes ownership of its descriptor, which becomes non-blocking
    /// for everybody who shares the open file (H34). Mirrors `uv_pipe_open`.
    ///
    /// - Throws: ``UVError/badDescriptor``, ``UVError/exists`` for a descriptor the loop watches already,
    ///   ``UVError/invalidArgument`` for a regular file or a directory; the descriptor then stays the caller's.
    public convenience init(takingOwnershipOf descriptor: Int32, on loop: Loop) throws(UVError) {
        // libuv would take them and abort the process at the first read: epoll refuses them.
        switch try FileStatus(ofDescriptor: descriptor).kind {
        case .regular, .directory: throw .invalidArgument
        case .socket, .symbolicLink, .other: break
        }
        try self.init(pollable: descriptor, on: loop)
    }

    /// The same for a descriptor that is known to be a socket or a pipe: a server accepts many.
    convenience init(pollable descriptor: CInt, on loop: Loop) throws(UVError) {
        try self.init(unconnectedOn: loop, isOpen: true)
        do {
            try check(uv_pipe_open(raw.pipe, descriptor))
        } catch {
            close()
            throw error
        }
    }

    /// Whether connecting has succeeded, or was not needed.
    public var isOpen: Bool { sending.isOpen }

    /// Why nothing can be written any more; nil while all is well.
    public var writeError: UVError? { sending.error }

    /// The descriptor, for system calls that libuv does not have; nil while it has none. It stays the stream's.
    /// Mirrors `uv_fileno`.
    public var descriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return !isClosing && uv_fileno(raw, &descriptor) == 0 ? descriptor : nil
    }

    /// The process that listens, or listened, at the other end of a connection, or made the socket pair, and its user; nil
    /// each if the system does not tell. Mirrors `SO_PEERCRED`.
    public var peer: (processID: Int32?, userID: UInt32?) {
        guard let peer = descriptor.map(uvkeeper_peer) else { return (nil, nil) }
        return (peer.pid > 0 ? peer.pid : nil, peer.uid == .max ? nil : peer.uid)
    }

    /// Whether a write would fail because nobody has the other end open; see ``Descriptors/isBroken(_:)``.
    public var isBroken: Bool { descriptor.map(Descriptors.isBroken) ?? false }

    override func willClose() {
        onBytes = nil
        onDrain = nil
        flushTimer?.close()
        flushTimer = nil
        // Sampled now: libuv forgets how much of the write under way was taken when it cancels it.
        guard !sending.inFlight.isEmpty else { return }
        sending.finished += UInt64(sending.inFlight.count - uv_stream_get_write_queue_size(raw.stream))
    }

    /// libuv has ended every request by now (H23), so the requests' memory is no longer used. What has not completed does
    /// so here: the connect, the writes, in order, then the shutdown. When the loop has closed the stream, the writer and the
    /// reader are told as well.
    override func didClose() {
        sending.request?.deallocate()
        sending.request = nil
        connected(.canceled)
        sending.drop(sending.error ?? .canceled)
        deliver()
        if let onWriteError = onWriteError.take(), isCanceled { onWriteError(self, sending.error ?? .canceled) }
        finishShutdown(sending.error)
        if let onEnd = onEnd.take(), isCanceled { onEnd(self, .canceled) }
    }
}
