internal import CLibUV

/// A connected byte stream: read from it, write to it, close it. A unix socket, one end of a pipe, a TCP connection or a
/// terminal, each a subclass.
///
/// The stream tries every write at once; what the kernel does not take is queued in memory and sent when the peer reads
/// (Node's model). The queue has no limit of its own (H27): a producer stops when ``write(_:completion:)-(RawSpan,_)`` returns
/// false and goes on at ``onDrain``. Mirrors `uv_stream_t`.
public class Stream: Handle {
    /// The size of the write queue, in bytes, at which a producer should pause. Default 65536.
    public final var highWaterMark = 65536

    /// Called whenever the write queue has become empty, on a later tick than the write that filled it.
    public final var onDrain: ((Stream) -> Void)?

    /// Called once, on a later tick, when a write has failed, or the loop has closed the stream; what was queued is lost and
    /// further writes fail. For writers that pass no completions. Not called after ``Handle/close(_:)``.
    public final var onWriteError: ((Stream, UVError) -> Void)?

    // Reading: Stream+Reading.swift
    final var onBytes: ((Stream, RawSpan) -> Void)?
    final var onEnd: ((Stream, UVError?) -> Void)?
    final var hasReadToEnd = false

    /// Told once of the end of a connect.
    final var onConnect: ((UVError?) -> Void)?

    // Writing: Stream+Writing.swift
    /// Touched many times per write, on one thread, and never across a call to anybody else's code: a check at run time each
    /// time would cost a connection for one line a seventh of its instructions.
    @exclusivity(unchecked) final var queue: WriteQueue
    /// For `uv_write`, one at a time; made for the first write that queues.
    final var request: UnsafeMutablePointer<uv_write_t>?
    /// Runs while no watch is left for what is queued.
    final var flushRetries: Backoff?

    /// Ending in order: Stream+Finishing.swift
    final var shutdownHolds = 0
    final var finishing: Finishing?

    /// Nil unless somebody waits for it to be idle: Stream+Idling.swift
    final var idling: Idling?

    /// - Parameter isConnected: false if ``connected(_:)`` comes later.
    init<Raw>(
        _ type: Raw.Type, on loop: Loop, isConnected: Bool, initialise: (UnsafeMutablePointer<Raw>) -> CInt,
    ) throws(UVError) {
        queue = WriteQueue(isConnected: isConnected)
        try super.init(type, on: loop, initialise: initialise)
    }

    /// Whether connecting has succeeded, or was not needed, and the stream has not closed since.
    public final var isOpen: Bool { !queue.isConnecting && !isClosing }

    /// Why nothing can be written any more; nil while all is well.
    public final var writeError: UVError? { queue.error }

    /// The descriptor, for system calls that libuv does not have; nil while it has none. It stays the stream's.
    /// Mirrors `uv_fileno`.
    public final var descriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return !isClosing && uv_fileno(raw, &descriptor) == 0 ? descriptor : nil
    }

    /// Whether a write would fail because nobody has the other end open; see ``Descriptors/isBroken(_:)``.
    public final var isBroken: Bool { descriptor.map(Descriptors.isBroken) ?? false }

    /// Tells of the end of a connect, once; does nothing the second time.
    final func connected(_ failure: UVError?) {
        guard let completion = onConnect.take() else { return }
        let error = isClosing ? .canceled : failure
        if let error {
            fail(error)
            closeAfterFailure()
        } else {
            queue.connected()
            flush()
        }
        completion(error)
        guard !isClosing else { return }
        if let finishing { readUntilFinished(finishing) }
        // Writes of no bytes have nothing to wait for but the connect.
        scheduleDelivery()
    }

    /// For subclasses: what a read that failed means; nil: the end of the stream.
    func readError(_ error: UVError) -> UVError? { error }

    /// For subclasses: false if the other side never finishes while the stream is of use.
    var hasPeerThatFinishes: Bool { true }

    override func willClose() {
        onBytes = nil
        onDrain = nil
        flushRetries?.close()
        flushRetries = nil
        idling.take()?.close()
        if queue.isWriting { queue.close(unwritten: uv_stream_get_write_queue_size(raw.stream)) }
    }

    /// libuv has ended every request by now (H23), so the requests' memory is no longer used. What has not completed does
    /// so here: the connect, the writes, in order, then the shutdown. When the loop has closed the stream, the writer and the
    /// reader are told as well.
    override func didClose() {
        request?.deallocate()
        request = nil
        connected(.canceled)
        queue.fail(queue.error ?? .canceled)
        deliver()
        if let onWriteError = onWriteError.take(), isCanceled { onWriteError(self, queue.error ?? .canceled) }
        finishShutdown(queue.error)
        if let onEnd = onEnd.take(), isCanceled { onEnd(self, .canceled) }
        finishing.take()?.complete(.canceled)
    }
}
