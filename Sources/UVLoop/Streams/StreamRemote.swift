internal import CLibUV

/// The `Sendable` access to a stream's writing side from other threads: it sends what the kernel takes at once.
///
/// The stream lends its socket while it is open and has nothing queued, and takes it back for each operation of its own; the
/// lock keeps a closed descriptor from being used. Bytes that cannot be sent here go to the loop's thread.
package final class StreamRemote: Sendable {
    /// The fate of the bytes of one call.
    package enum Sending: Sendable {
        /// The kernel has taken all bytes.
        case taken
        /// The kernel has taken some bytes; the others are sent before all that are written later, once the caller has
        /// called ``Stream/settle()`` on the loop's thread.
        case queued
        /// No bytes were taken. They are to be written on the loop's thread, which then knows an error as well.
        case refused
    }

    /// The work of other threads that the stream does not know of yet.
    struct Report {
        /// The number of bytes sent.
        var sent = 0
        /// The bytes of the last write that the kernel did not take.
        var rest: [UInt8] = []
        var error: UVError?
    }

    private struct State {
        /// The socket; nil while only the loop's thread may write to it.
        var socket: CInt?
        /// False once the descriptor has proved to be a pipe.
        var isSocket = true
        var report: Report?
    }

    private let state = Lock(State())

    fileprivate init() {}

    /// Sends as many of `bytes` as the kernel takes at once.
    package func send(_ bytes: UnsafeRawBufferPointer) -> Sending {
        #if os(Linux)
        return state.withLock { state in
            guard let socket = state.socket, !bytes.isEmpty else { return .refused }
            var count: Int
            repeat {
                count = CLibUV.send(socket, bytes.baseAddress, bytes.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
            } while count < 0 && uvloop_errno() == EINTR
            if count == bytes.count {
                state.report = Report(sent: (state.report?.sent ?? 0) + count)
                return .taken
            }
            state.socket = nil
            if count > 0 {
                state.report = Report(sent: (state.report?.sent ?? 0) + count, rest: Array(bytes[count...]))
                return .queued
            }
            switch uvloop_errno() {
            case EAGAIN, ENOBUFS: break
            case ENOTSOCK: state.isSocket = false
            case let number: state.report = Report(sent: state.report?.sent ?? 0, error: UVError(errno: number))
            }
            return .refused
        }
        #else
        // Elsewhere a write to a broken socket may raise SIGPIPE.
        return .refused
        #endif
    }

    // MARK: On the loop's thread

    fileprivate func lend(_ socket: CInt) {
        state.withLock { if $0.isSocket { $0.socket = socket } }
    }

    /// Ends the lending; returns what was done meanwhile.
    fileprivate func takeBack() -> Report? {
        state.withLock { state in
            state.socket = nil
            return state.report.take()
        }
    }

    fileprivate var sentByteCount: Int { state.withLock { $0.report?.sent ?? 0 } }
}

extension Stream {
    /// Gives other threads access to the writing side; once for a stream.
    package final func makeRemote() -> StreamRemote {
        let remote = StreamRemote()
        self.remote = remote
        lendWriting()
        return remote
    }

    /// Queues what a remote has left, see ``StreamRemote/Sending/queued``. Does nothing for a stream that is closing.
    package final func settle() {
        guard !isClosing else { return }
        takeBackWriting()
        lendWriting()
    }

    /// Lets other threads write, if nothing is ahead of their bytes.
    final func lendWriting() {
        guard let remote, queue.isClear, !isShutDown, let descriptor else { return }
        remote.lend(descriptor)
    }

    /// Keeps other threads from writing, and queues what they have left. At the start of each operation of the writing side.
    final func takeBackWriting() {
        guard let report = remote?.takeBack() else { return }
        noteSent(report)
        if let error = report.error { return fail(error) }
        report.rest.withUnsafeBytes { rest in
            withUnsafePointer(to: rest) {
                _ = writeNow(UnsafeBufferPointer(start: $0, count: rest.isEmpty ? 0 : 1), completion: nil)
            }
        }
    }

    /// The same for a stream that is about to close.
    final func endRemote() {
        if let report = remote?.takeBack() { noteSent(report) }
        remote = nil
    }

    /// The number of bytes that other threads have sent and the queue has not counted.
    final var remoteByteCount: UInt64 { UInt64(remote?.sentByteCount ?? 0) }

    private func noteSent(_ report: StreamRemote.Report) {
        queue.took(report.sent)
        queue.submit(taken: report.sent)
        if report.sent > 0 { idling?.noteActivity() }
    }
}
