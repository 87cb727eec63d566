internal import CLibUV

/// A connected byte stream, to be read, written and closed. The subclasses are a unix socket or one end of a pipe, a
/// TCP connection, and a terminal.
///
/// The stream tries every write at once; bytes that the kernel does not take are queued in memory and sent when the
/// peer reads (Node's model). The queue has no limit of its own (H27): a producer stops when
/// ``write(_:completion:)-(RawSpan,_)`` returns false and goes on at ``onDrain``. Mirrors `uv_stream_t`.
public class Stream: Handle {
    /// The size of the write queue, in bytes, at which a producer should pause. Default 65536.
    public final var highWaterMark = 65536

    /// Called whenever the write queue has become empty, on a later tick than the write that filled it.
    public final var onDrain: ((Stream) -> Void)?

    /// Called once, on a later tick, when a write has failed, or the loop has closed the stream; the queued bytes are
    /// lost and further writes fail. For writers that pass no completions. Never called after ``Handle/close(_:)``.
    public final var onWriteError: ((Stream, UVError) -> Void)?

    // Reading: Stream+Reading.swift
    final var onBytes: ((Stream, RawSpan) -> Void)?
    final var onEnd: ((Stream, UVError?) -> Void)?
    final var hasReadToEnd = false

    /// Called once at the end of a connect.
    final var onConnect: ((UVError?) -> Void)?

    // Writing: Stream+Writing.swift
    /// The writing side. Unchecked, since it is used many times per write, on one thread, and never across a call to
    /// foreign code: checks at run time would cost a connection for one line a seventh of its instructions.
    @exclusivity(unchecked) final var queue: WriteQueue
    /// The request of `uv_write`, one at a time; made for the first write that queues.
    final var request: UnsafeMutablePointer<uv_write_t>?
    /// Retries the flush while no watch is left for the queued bytes.
    final var flushRetries: Backoff?

    /// The access of other threads to the writing side, see StreamRemote.swift; nil if nobody asked for it.
    final var remote: StreamRemote?

    /// Ending in order: Stream+Finishing.swift
    final var shutdownHolds = 0
    final var finishing: Finishing?

    /// The idle watch, see Stream+Idling.swift; nil if none was asked for.
    final var idling: Idling?

    /// - Parameter isConnected: false if ``connected(_:)`` is called later.
    init<Raw>(
        _ type: Raw.Type, on loop: Loop, isConnected: Bool, initialise: (UnsafeMutablePointer<Raw>) -> CInt,
    ) throws(UVError) {
        queue = WriteQueue(isConnected: isConnected)
        try super.init(type, on: loop, initialise: initialise)
    }

    /// True if connecting has succeeded, or was not needed, and the stream has not closed since.
    public final var isOpen: Bool { !queue.isConnecting && !isClosing }

    /// The reason why nothing more can be written; nil if there is none.
    public final var writeError: UVError? { queue.error }

    /// The descriptor, for system calls that libuv does not have; nil while there is none. The stream closes it.
    /// Mirrors `uv_fileno`.
    public final var descriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return !isClosing && uv_fileno(raw, &descriptor) == 0 ? descriptor : nil
    }

    /// True if a write would fail because the other end is closed; see ``Descriptors/isBroken(_:)``.
    public final var isBroken: Bool { descriptor.map(Descriptors.isBroken) ?? false }

    /// Ends the connect and calls its completion; does nothing the second time.
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
        // Writes of no bytes wait only for the connect.
        scheduleDelivery()
    }

    /// For subclasses: the meaning of a failed read; nil: the end of the stream.
    func readError(_ error: UVError) -> UVError? { error }

    /// For subclasses: false if the other side never finishes while the stream is useful.
    var hasPeerThatFinishes: Bool { true }

    override func willClose() {
        endRemote()
        onBytes = nil
        onDrain = nil
        flushRetries?.close()
        flushRetries = nil
        idling.take()?.close()
        if queue.isWriting { queue.close(unwritten: uv_stream_get_write_queue_size(raw.stream)) }
    }

    /// Completes everything that is left: the connect, the writes in order, then the shutdown. libuv has ended every
    /// request by now (H23), so the requests' memory is no longer used. If the loop has closed the stream, the writer
    /// and the reader are told too.
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
