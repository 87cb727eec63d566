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
    /// The unterminated lines of all clients together may have this many times the size of one line, and this many bytes
    /// whatever that is: with a small limit, many clients in the middle of a line are nothing unusual.
    static let pendingLinesLimit = 4
    static let pendingBytesAllowance = 64 << 20

    private final class Client {
        let stream: PipeStream
        var framer: LineFramer
        var isReading = false
        /// Whether anything it sent may still wait for the child's pipe.
        var hasForwarded = false
        /// It came when the child's stdin was closed already: nothing it sends can be confirmed.
        let isTooLate: Bool

        init(_ stream: PipeStream, maximumLineLength: Int, isTooLate: Bool) {
            self.stream = stream
            self.isTooLate = isTooLate
            framer = LineFramer(maximumLineLength: maximumLineLength)
        }
    }

    private let child: PipeStream
    private let listener: PipeListener
    private let maximumLineLength: Int
    private let maximumPendingByteCount: Int
    private let drops: NoteLimiter
    private let refusals: NoteLimiter
    private var clients: [ObjectIdentifier: Client] = [:]
    /// Clients that have sent everything, whose last lines the child's pipe has not taken.
    private var finished: [PipeStream] = []
    private var pendingByteCount = 0
    /// The client whose lines the child's pipe did not take; another one comes first next time.
    private var blocker: ObjectIdentifier?
    private var isBlocked = false
    private var isPaused = false
    private var isEnded = false
    /// Called when a client sends something although the child has closed its stdin.
    var onBroken: (() -> Void)?

    init(child: PipeStream, listener: PipeListener, maximumLineLength: Int, log: KeeperLog) {
        self.child = child
        self.listener = listener
        self.maximumLineLength = maximumLineLength
        let (several, isHuge) = maximumLineLength.multipliedReportingOverflow(by: LineForwarder.pendingLinesLimit)
        maximumPendingByteCount = isHuge ? .max : max(several, LineForwarder.pendingBytesAllowance)
        drops = NoteLimiter(log, subject: "drop line")
        refusals = NoteLimiter(log, subject: "cannot accept clients for now")
        child.onDrain = { [weak self] _ in self?.unblock() }
    }

    /// Takes over a connection.
    func add(_ stream: PipeStream) {
        guard !isEnded else { return stream.close() }
        let client = Client(stream, maximumLineLength: maximumLineLength, isTooLate: child.isBroken)
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
        limitRead(of: client)
        client.isReading = true
        if isBlocked { pause(client) }
        limitClients()
    }

    /// Notes that a connection could not be accepted; it waits in the backlog.
    func refused(_ error: UVError) { refusals.note("\(error)") }

    /// Reads nothing more from anybody.
    func stop() {
        isEnded = true
        onBroken = nil
        drops.flush()
        refusals.flush()
        for client in clients.values { pause(client) }
    }

    /// Drops every client. One with something unread sees a reset. One whose lines were all read sees a clean close, even if
    /// the child's pipe has not taken them, and must not take it for a confirmation: for that to show, the keeper gives up
    /// its lock before.
    func close() {
        for client in clients.values { client.stream.close() }
        for stream in finished { stream.close() }
        clients = [:]
        finished = []
    }

    private func received(_ bytes: RawSpan, from client: Client) {
        if client.isTooLate {
            pause(client)
            onBroken?()
            return
        }
        let before = client.framer.pendingByteCount
        let isAccepted = client.framer.append(bytes) { lines in forward(lines, from: client) }
        pendingByteCount += client.framer.pendingByteCount - before
        limitRead(of: client)
        if !isAccepted {
            removeForLength(client)
        } else if pendingByteCount > maximumPendingByteCount {
            // Not the one that happened to send last, which may be in the middle of a short line.
            let largest = clients.values.max { $0.framer.pendingByteCount < $1.framer.pendingByteCount } ?? client
            drops.note(
                "unfinished lines of all connections take \(pendingByteCount) bytes; the one with "
                    + "\(largest.framer.pendingByteCount) is closed")
            remove(largest)
        }
    }

    /// Never reads the byte by which a line is too long: while that is unread, the close that follows is a reset for the
    /// client, and not the clean one that confirms. So a line with room for one more byte is read no further but for its
    /// newline.
    ///
    /// One byte is enough of a client that came too late, for the same reason: a mere probe sends none and ends nothing.
    private func limitRead(of client: Client) {
        let room = maximumLineLength - client.framer.pendingByteCount
        client.stream.maximumReadLength = client.isTooLate ? 1 : max(1, room - 1)
        client.stream.onlyNextByte = !client.isTooLate && room == 1 ? UInt8(ascii: "\n") : nil
    }

    private func ended(_ client: Client, _ error: UVError?) {
        let pending = client.framer.pendingByteCount
        if error == .noBuffers { return removeForLength(client) }
        if let error {
            if pending > 0 { drops.note("\(error.name) after \(pending) bytes without a newline") }
            return remove(client)
        }
        client.framer.finish { line in forward(line, from: client) }
        pendingByteCount -= pending
        // What was queued when the child's pipe broke is not queued any more: nobody has it.
        if client.hasForwarded, child.queuedByteCount > 0 || child.writeError != nil {
            finished.append(client.stream)
        } else {
            client.stream.close()
        }
        forget(client)
    }

    private func removeForLength(_ client: Client) {
        drops.note("a line is longer than \(maximumLineLength) bytes; its connection is closed")
        remove(client)
    }

    private func forward(_ lines: RawSpan, from client: Client) {
        client.hasForwarded = true
        if !child.write(lines), !isBlocked {
            isBlocked = true
            blocker = ObjectIdentifier(client)
            for client in clients.values { pause(client) }
        }
    }

    /// The child's pipe has taken everything.
    private func unblock() {
        for stream in finished { stream.close() }
        finished = []
        limitClients()
        guard isBlocked, !isEnded else { return }
        isBlocked = false
        // In turn: whoever is read first may fill the pipe again.
        let clients = Array(clients.values)
        let first = clients.firstIndex { ObjectIdentifier($0) == blocker }.map { $0 + 1 } ?? 0
        for client in clients[first...] + clients[..<first] where !isBlocked { resume(client) }
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
        limitClients()
    }

    /// Those that have finished count too: they hold a descriptor until the child has taken their lines.
    private func limitClients() {
        let isFull = clients.count + finished.count >= LineForwarder.maximumClients
        guard isFull != isPaused, !isEnded, !listener.isClosing else { return }
        isPaused = isFull
        guard !isFull else { return listener.pause() }
        do throws(UVError) { try listener.resume() } catch { refused(error) }
    }
}
