internal import KeeperProtocol
internal import UVLoop

/// Carries lines from any number of clients to the child's stdin, whole, verbatim, in order within a client.
///
/// Memory is bounded: while the child's pipe is full nothing is read from any client, so the clients' own writes stop. A
/// client is told that its lines are on their way by the close of its connection, which comes only when the child's pipe
/// has taken all of them.
final class LineForwarder {
    /// More clients than this wait in the listener's backlog.
    static let maximumClients = 4096
    /// The unterminated lines of all clients together may have this many times the size of one line.
    static let pendingLinesLimit = 4

    private final class Client {
        let stream: PipeStream
        var framer: LineFramer
        var isReading = false

        init(_ stream: PipeStream, maximumLineLength: Int) {
            self.stream = stream
            framer = LineFramer(maximumLineLength: maximumLineLength)
        }
    }

    private let child: PipeStream
    private let listener: PipeListener
    private let maximumLineLength: Int
    private let log: DropLog
    private var clients: [ObjectIdentifier: Client] = [:]
    /// Clients that have sent everything, whose last lines the child's pipe has not taken.
    private var finished: [PipeStream] = []
    private var pendingByteCount = 0
    private var isBlocked = false
    private var isEnded = false

    init(child: PipeStream, listener: PipeListener, maximumLineLength: Int, log: KeeperLog) {
        self.child = child
        self.listener = listener
        self.maximumLineLength = maximumLineLength
        self.log = DropLog(log)
        child.onDrain = { [weak self] _ in self?.unblock() }
    }

    /// Takes over a connection.
    func add(_ stream: PipeStream) {
        guard !isEnded else { return stream.close() }
        let client = Client(stream, maximumLineLength: maximumLineLength)
        clients[ObjectIdentifier(stream)] = client
        do throws(UVError) {
            try stream.readStart(
                onBytes: { [weak self] _, bytes in self?.received(bytes, from: client) },
                onEnd: { [weak self] _, error in self?.ended(client, error) },
            )
        } catch {
            // A fresh connection is readable; one that is not has nothing to say.
            remove(client)
            return
        }
        client.isReading = true
        if isBlocked { pause(client) }
        if clients.count >= LineForwarder.maximumClients { listener.pause() }
    }

    /// Drops every client, and tells those whose last lines the child may not have taken.
    func end() {
        isEnded = true
        log.flush()
        for stream in clients.values.map(\.stream) + finished {
            markDropped(stream)
            stream.close()
        }
        clients = [:]
        finished = []
    }

    /// A close with everything read looks like a confirmation; see ``KeeperConstants/dropMark``.
    private func markDropped(_ stream: PipeStream) {
        do throws(UVError) {
            _ = try stream.tryWrite([KeeperConstants.dropMark].span.bytes)
        } catch {
            // The client is gone and waits for no confirmation.
        }
    }

    private func received(_ bytes: RawSpan, from client: Client) {
        let before = client.framer.pendingByteCount
        let isAccepted = client.framer.append(bytes) { lines in forward(lines) }
        pendingByteCount += client.framer.pendingByteCount - before
        if !isAccepted {
            log.drop("a line is longer than \(maximumLineLength) bytes; its connection is closed")
            markDropped(client.stream)
            remove(client)
        } else if pendingByteCount > maximumLineLength * LineForwarder.pendingLinesLimit {
            log.drop("unfinished lines of all connections take \(pendingByteCount) bytes; one connection is closed")
            markDropped(client.stream)
            remove(client)
        }
    }

    private func ended(_ client: Client, _ error: UVError?) {
        let pending = client.framer.pendingByteCount
        if let error {
            if pending > 0 { log.drop("\(error.name) after \(pending) bytes without a newline") }
            return remove(client)
        }
        client.framer.finish { line in forward(line) }
        pendingByteCount -= pending
        forget(client)
        if child.queuedByteCount == 0 {
            client.stream.close()
        } else {
            finished.append(client.stream)
        }
    }

    private func forward(_ lines: RawSpan) {
        if !child.write(lines), !isBlocked {
            isBlocked = true
            for client in clients.values { pause(client) }
        }
    }

    /// The child's pipe has taken everything.
    private func unblock() {
        for stream in finished { stream.close() }
        finished = []
        guard isBlocked, !isEnded else { return }
        isBlocked = false
        for client in Array(clients.values) where !isBlocked { resume(client) }
    }

    private func pause(_ client: Client) {
        guard client.isReading else { return }
        client.isReading = false
        client.stream.readStop()
    }

    private func resume(_ client: Client) {
        guard !client.isReading else { return }
        do throws(UVError) {
            try client.stream.readResume()
            client.isReading = true
        } catch {
            remove(client)
        }
    }

    private func remove(_ client: Client) {
        pendingByteCount -= client.framer.pendingByteCount
        forget(client)
        client.stream.close()
    }

    private func forget(_ client: Client) {
        clients[ObjectIdentifier(client.stream)] = nil
        guard clients.count == LineForwarder.maximumClients - 1, !isEnded, !listener.isClosing else { return }
        do throws(UVError) { try listener.resume() } catch { log.drop("cannot accept clients again: \(error)") }
    }
}
