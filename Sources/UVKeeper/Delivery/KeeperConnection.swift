internal import UVLoop

/// A connection to a keeper's raw socket, for lines in order: the original's one-way socket, which never answers.
///
/// A keeper closes a connection when it has read it to its end. A clean close after ``finish()`` thus says that all
/// lines were handed over, and no more: only the channel tells what is in the child's pipe (``Session``). If the keeper
/// dies or drops the connection before, the kernel reports a reset because bytes were left unread.
final class KeeperConnection {
    /// The end of a connection.
    enum End: Hashable, Sendable {
        /// The keeper has read every byte that was written, up to the end, and has closed.
        case confirmed
        /// The connection failed: of the bytes written, the first `accepted` at most were handed over.
        case failed(UVError, accepted: UInt64)
    }

    private enum State {
        /// The connect; nil before its first try has begun.
        case connecting(KeeperConnect?)
        case open(PipeStream)
        case finishing(PipeStream)
        /// The connection has failed, or was confirmed; `onEnd` was called.
        case ended
        /// Closed by ``KeeperConnection/close()``.
        case closed
    }

    private var state = State.connecting(nil)
    private var onOpen: ((KeeperConnection) -> Void)?
    private var onEnd: ((KeeperConnection, End) -> Void)?
    private var submitted: UInt64 = 0
    /// The socket file that the connection was made to; nil before it is open, and if the file was gone by then.
    private(set) var socket: FileIdentity?

    /// Called when the kernel has taken all bytes written.
    var onDrain: ((KeeperConnection) -> Void)?

    /// Connects to the keeper at a socket's path.
    ///
    /// `onOpen` runs once the stream is connected. `onEnd` runs exactly once, at the end of a finished connection or
    /// when something fails, the connect included, or the loop closes the connection (``UVError/canceled``); not after
    /// ``close()``. Both run on later ticks. A full backlog is tried again on a fresh pipe after small, jittered delays
    /// until it clears or this is closed: bound it with a timer.
    ///
    /// - Throws: what ``SocketPath/check(_:)`` throws, and ``UVError/tooManyOpenFiles`` and its like.
    init(
        to path: String,
        on loop: Loop,
        onOpen: @escaping (KeeperConnection) -> Void,
        onEnd: @escaping (KeeperConnection, End) -> Void,
    ) throws(UVError) {
        state = .connecting(try KeeperConnect(to: path, on: loop) { self.connected($0) })
        self.onOpen = onOpen
        self.onEnd = onEnd
    }

    /// Sends bytes, which must end in a newline before ``finish()``; bytes that the kernel does not take are queued.
    /// Does nothing once the connection has ended. A call before the connection is open, or after ``finish()`` or
    /// ``close()``, is a programming error.
    ///
    /// - Returns: false when more should wait for ``onDrain``, or the connection has ended.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        guard let stream = openStream("KeeperConnection.write") else { return false }
        submitted += UInt64(bytes.count)
        return stream.write(bytes)
    }

    /// Notes that no more bytes follow; the end is ``End/confirmed`` if all goes well. Does nothing once the connection
    /// has ended.
    func finish() {
        guard let stream = openStream("KeeperConnection.finish") else { return }
        state = .finishing(stream)
        stream.shutdown()
    }

    /// The open stream; nil if the connection has ended, which is not the caller's mistake.
    private func openStream(_ caller: String) -> PipeStream? {
        switch state {
        case .open(let stream): return stream
        case .ended: return nil
        case .connecting: trap("\(caller): the connection is not open yet; wait for onOpen")
        case .finishing: trap("\(caller): after finish")
        case .closed: trap("\(caller): the connection is closed")
        }
    }

    /// Bytes that the kernel has taken so far; see ``PipeStream/acceptedByteCount``.
    var acceptedByteCount: UInt64 {
        switch state {
        case .open(let stream), .finishing(let stream): stream.acceptedByteCount
        case .connecting, .ended, .closed: 0
        }
    }

    /// Drops the connection without further callbacks. Bytes that the keeper has received are not taken back: after
    /// part of a line, let the connection end by itself instead.
    func close() { close(.closed) }

    private func close(_ next: State) {
        switch state {
        case .connecting(let connect): connect?.close()
        case .open(let stream), .finishing(let stream): stream.close()
        case .ended, .closed: break
        }
        state = next
        onOpen = nil
        onEnd = nil
        onDrain = nil
    }

    private func connected(_ result: Result<KeeperConnect.Connected, UVError>) {
        guard case .connecting = state else { return }
        let stream: PipeStream
        switch result {
        case .failure(let error): return end(.failed(error, accepted: 0))
        case .success(let connected): (stream, socket) = connected
        }
        state = .open(stream)
        do throws(UVError) {
            try stream.readStart(
                // A keeper sends nothing on this socket; bytes of a stranger are ignored.
                onBytes: { _, _ in },
                onEnd: { stream, error in self.ended(stream, error) },
            )
        } catch {
            return end(.failed(error, accepted: 0))
        }
        stream.onDrain = { _ in self.onDrain?(self) }
        stream.onWriteError = { stream, error in
            self.end(.failed(error, accepted: stream.acceptedByteCount))
        }
        let onOpen = onOpen
        self.onOpen = nil
        onOpen?(self)
    }

    private func ended(_ stream: Stream, _ error: UVError?) {
        // After a failed write the count of accepted bytes is only an upper bound.
        if case .finishing = state, error == nil, stream.writeError == nil, stream.acceptedByteCount == submitted {
            return end(.confirmed)
        }
        // The keeper closed before `finish()`: any bytes accepted may have been read.
        end(.failed(error ?? .connectionReset, accepted: stream.acceptedByteCount))
    }

    private func end(_ end: End) {
        let onEnd = onEnd
        close(.ended)
        onEnd?(self, end)
    }
}
