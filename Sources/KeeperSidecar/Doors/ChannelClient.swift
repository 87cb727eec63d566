internal import KeeperProtocol
internal import UVLoop

/// A connection on the channel.
///
/// Requests are read header by header; a request that cannot be served now is kept, and everything after it waits.
final class ChannelClient {
    /// The part of a message that comes next.
    enum Expected {
        case header
        /// A waiting request: a `write` may wait for room, every request until the client reads its answers.
        case request(ChannelRequest)
        /// The payload of a `write`.
        case payload(LinePayload)
        /// A whole line that waits for room.
        case line(LinePayload)
        /// A label request whose answer comes at the end of the turn.
        case label
        /// The client was told why its connection ends; everything it sends is discarded.
        case parting
    }

    /// The most bytes of answers that may wait until the client reads; beyond it no request is served.
    static let mostUnsent = 65_536
    /// The most bytes that one read of the loop gives.
    private static let readByteCount = 65_536
    /// The most bytes read from one client in a turn.
    private static let turnByteCount = 262_144

    unowned let door: ChannelDoor
    let stream: PipeStream
    private var framer = HeaderFramer(limit: ChannelConstants.longestRequest)
    var expected = Expected.header
    /// Bytes that were read, and stand behind a request that waits.
    private var backlog: [UInt8] = []
    /// The writer of this client's lines; nil until there is one.
    var writer: Writer?
    /// True if the client asked for a writer and was refused: its lines have no writer and are refused too.
    var isRefusedWriter = false
    var reader: OutputReader?
    var hasFinished = false
    private(set) var isServing = false
    /// The client's part of the work of a turn.
    var share = RequestTurns.Share()
    /// True if an acknowledgement waits for the end of the turn, or for room on the connection.
    var isAcknowledgementDue = false
    /// The number of the first line refused because the child's stdin is closing, while earlier lines are still on
    /// their way: told once it is clear what becomes of these.
    var firstRefused: UInt64?
    /// True if the child's stdin is closed and the client has been told.
    var knowsInputClosed = false
    var exit: SessionExit?
    private var discarded = 0
    /// The timer that ends the wait for a client that does not take its last messages.
    var parting: TimerHandle?
    /// Bytes read in this turn of the loop.
    private var readInTurn = 0
    /// Bytes of this client in memory, as last reported to the budget.
    private(set) var pendingByteCount = 0
    var isClosed = false

    init(_ stream: PipeStream, _ door: ChannelDoor) {
        self.stream = stream
        self.door = door
    }

    /// True while the client's requests are served.
    var isServed: Bool {
        if case .parting = expected { return false }
        return !isClosed
    }

    func start(hello: ChannelHello) {
        stream.onDrain = { [unowned self] _ in drained() }
        stream.onWriteError = { [unowned self] _, _ in close() }
        do throws(UVError) {
            try stream.readStart(
                onBytes: { [unowned self] _, bytes in bytes.withUnsafeBytes { received($0) } },
                onEnd: { [unowned self] _, error in ended(error) })
        } catch {
            return close()
        }
        send(.hello(hello))
    }

    // MARK: Reading

    private func received(_ bytes: UnsafeRawBufferPointer) {
        if case .parting = expected {
            discarded += bytes.count
            if discarded > ChannelConstants.partingByteCount { close() }
            return
        }
        let position = serve(bytes)
        guard isServed else { return }
        if position < bytes.count { backlog += bytes[position...] }
        // A read shorter than asked for has emptied the socket.
        readInTurn = bytes.count < ChannelClient.readByteCount ? 0 : readInTurn + bytes.count
        guard readInTurn >= ChannelClient.turnByteCount else { return settle() }
        readInTurn = 0
        notePending()
        stream.readStop()
        door.loop.onNextTick { [self] in
            if isServed { settle() }
        }
    }

    /// Goes on with the bytes that waited.
    func resume() {
        guard isServed, !isServing else { return }
        var bytes: [UInt8] = []
        swap(&bytes, &backlog)
        let position = bytes.withUnsafeBytes { serve($0) }
        guard isServed else { return }
        if position < bytes.count { backlog = position == 0 ? bytes : Array(bytes[position...]) }
        settle()
    }

    /// Called after something was served: reads on, or stops reading, and ends when nothing is owed.
    private func settle() {
        notePending()
        guard isServed else { return }
        if hasFinished { return endIfNothingIsOwed() }
        if isWaiting || !backlog.isEmpty { return stream.readStop() }
        do throws(UVError) { try stream.readResume() } catch { close() }
    }

    private var isWaiting: Bool {
        switch expected {
        case .request, .line, .label: true
        case .header, .payload, .parting: false
        }
    }

    /// Serves as many of the bytes read as can be served now.
    ///
    /// - Returns: the position where the rest begins.
    private func serve(_ bytes: UnsafeRawBufferPointer) -> Int {
        isServing = true
        defer { isServing = false }
        var position = 0
        while isServed {
            switch expected {
            case .header:
                guard position < bytes.count else { return position }
                guard stream.queuedByteCount < ChannelClient.mostUnsent else { return position }
                guard readHeader(bytes, &position) else { return position }
            case .request(let request):
                guard stream.queuedByteCount < ChannelClient.mostUnsent, perform(request) else { return position }
            case .payload(var payload):
                guard position < bytes.count else { return position }
                guard door.budget.makeRoom(bytes.count - position, isServed: { isServed }) else { return bytes.count }
                let taken = payload.take(UnsafeRawBufferPointer(rebasing: bytes[position...]))
                guard let taken else {
                    part(ChannelError(.busy, .write, sequence: payload.sequence, "there is no memory for the line"))
                    return bytes.count
                }
                position += taken
                expected = .payload(payload)
                if payload.isWhole { finishPayload(payload) }
            case .line(let payload):
                guard finish(payload) else { return position }
            case .label, .parting: return position
            }
        }
        return bytes.count
    }

    /// Reads the header that comes next, and the lines before it.
    ///
    /// - Returns: false if the header has to wait for a later turn.
    private func readHeader(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> Bool {
        if framer.pendingByteCount == 0 {
            takeLines(bytes, &position)
            guard position < bytes.count else { return true }
        }
        // Lines have bounds of their own. The beginning of a header that was cut had its turn.
        let isFree = framer.pendingByteCount > 0 || bytes[position...].starts(with: ChannelClient.write)
        guard isFree || door.turns.mayServe(self) else { return false }
        let start = position
        do throws(ChannelError) {
            switch framer.find(in: bytes, from: &position) {
            case .none: return true
            case .tooLong:
                throw ChannelError(
                    .tooLong, "-", "a message has \(ChannelConstants.longestRequest) bytes at most before its payload")
            case .here(let range):
                expected = .request(try ChannelRequest(UnsafeRawBufferPointer(rebasing: bytes[range])))
            case .pending:
                let request = try framer.takePending { (header) throws(ChannelError) in try ChannelRequest(header) }
                expected = .request(request)
            }
        } catch {
            // The client wants to name its writer, though the request cannot be read: its lines must not go under no
            // name.
            if error.verb == ChannelVerb.writer.rawValue, writer == nil { isRefusedWriter = true }
            fail(error)
        }
        if case .request(.write) = expected { return true }
        door.turns.note(RequestTurns.request + position - start, for: self)
        return true
    }

    /// The beginning of a line's header.
    private static let write = Array("\(ChannelVerb.write.rawValue) ".utf8)

    /// The sequence number of the next line.
    var nextSequence: UInt64 { (writer?.last ?? 0) + 1 }

    // MARK: The end of the connection

    /// True while nothing is read: the client waits, or has finished sending.
    var isUnwatched: Bool { hasFinished || isWaiting }

    /// True if the client has closed the connection, not only its sending side.
    var isGone: Bool { stream.descriptor.map { Descriptors.hangUp(of: $0) == .everything } ?? true }

    private func ended(_ error: UVError?) {
        guard error == nil, !isGone else { return close() }
        hasFinished = true
        guard isServed else { return }
        endIfNothingIsOwed()
    }

    /// Ends the connection of a client that has finished sending, once everything owed to it was sent.
    func endIfNothingIsOwed() {
        guard hasFinished, isServed, !isWaiting, backlog.isEmpty, reader == nil, exit == nil else { return }
        if let writer, writer.client === self, writer.isWaiting { return }
        guard !isAcknowledgementDue, stream.queuedByteCount == 0 else { return }
        leave()
    }

    func stopServing() {
        expected = .parting
        backlog = []
        stopReadingOutput()
        disown()
        notePending()
    }

    private func disown() {
        if let writer, writer.client === self { writer.client = nil }
        writer = nil
    }

    func stopReadingOutput() {
        if let reader { door.output?.remove(reader) }
        reader = nil
    }

    /// Drops the connection.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        stopServing()
        parting?.close()
        stream.closeSendingQueued()
        door.remove(self)
    }

    private func notePending() {
        var count = backlog.count + framer.pendingByteCount
        switch expected {
        case .payload(let payload), .line(let payload): count += payload.byteCount
        case .header, .request, .label, .parting: break
        }
        door.budget.changePending(by: count - pendingByteCount)
        pendingByteCount = count
    }
}
