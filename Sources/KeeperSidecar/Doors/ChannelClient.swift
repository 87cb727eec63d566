internal import KeeperProtocol
internal import UVLoop

/// One connection on the channel.
///
/// What it sends is read header by header; a request that cannot be served now stays, and what stands behind it waits.
final class ChannelClient {
    /// The part of a message that comes next.
    enum Expected {
        case header
        /// A request that waits: a `write` for room, a label for the record, anything for the client to read its answers.
        case request(ChannelRequest)
        /// The payload of a `write`.
        case payload(LinePayload)
        /// A line that is whole, and waits for room.
        case line(LinePayload)
        /// The label's answer comes at the end of the turn.
        case label
        /// Nothing that comes is looked at: why, was told.
        case parting
    }

    /// Answers that may wait until the client reads; more requests are not served then.
    static let mostUnsent = 65_536
    /// The most that one read of a loop gives.
    private static let readByteCount = 65_536
    /// The most that is read of one client in a turn.
    private static let turnByteCount = 262_144

    unowned let door: ChannelDoor
    let stream: PipeStream
    private var framer = HeaderFramer(limit: ChannelConstants.longestRequest)
    var expected = Expected.header
    /// What was read and stands behind something that waits.
    private var backlog: [UInt8] = []
    /// Whose lines come here.
    var writer: Writer?
    /// True if the client has said whose it is, and it was refused: its lines are nobody's.
    var isRefusedWriter = false
    var reader: OutputReader?
    var hasFinished = false
    private var isServing = false
    /// An acknowledgement waits for the end of the turn, or for the connection to have room.
    var isAcknowledgementDue = false
    /// The number of the first line that was refused since the child's stdin closes, while earlier ones are still on their way:
    /// told when it is clear what becomes of these.
    var firstRefused: UInt64?
    /// The child's stdin is closed, and the client knows.
    var knowsInputClosed = false
    var exit: SessionExit?
    private var discarded = 0
    /// Bytes that were read in this turn of the loop.
    private var readInTurn = 0
    /// Bytes that it has in memory, as the budget knows them.
    private(set) var pendingByteCount = 0
    var isClosed = false

    init(_ stream: PipeStream, _ door: ChannelDoor) {
        self.stream = stream
        self.door = door
    }

    /// True while its requests are served.
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
        // Less than was asked for: nothing waits any more.
        readInTurn = bytes.count < ChannelClient.readByteCount ? 0 : readInTurn + bytes.count
        guard readInTurn >= ChannelClient.turnByteCount else { return settle() }
        readInTurn = 0
        notePending()
        stream.readStop()
        door.loop.onNextTick { [self] in
            if isServed { settle() }
        }
    }

    /// Goes on with what waited.
    func resume() {
        guard isServed, !isServing else { return }
        var bytes: [UInt8] = []
        swap(&bytes, &backlog)
        let position = bytes.withUnsafeBytes { serve($0) }
        guard isServed else { return }
        if position < bytes.count { backlog = position == 0 ? bytes : Array(bytes[position...]) }
        settle()
    }

    /// After something was served: reads on, or stops reading, and ends when nothing is owed.
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

    /// Serves as much of what was read as can be served now.
    ///
    /// - Returns: where the rest begins.
    private func serve(_ bytes: UnsafeRawBufferPointer) -> Int {
        isServing = true
        defer { isServing = false }
        var position = 0
        while isServed {
            switch expected {
            case .header:
                guard position < bytes.count else { return position }
                guard stream.queuedByteCount < ChannelClient.mostUnsent else { return position }
                readHeader(bytes, &position)
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

    private func readHeader(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) {
        if framer.pendingByteCount == 0 {
            takeLines(bytes, &position)
            guard position < bytes.count else { return }
        }
        do throws(ChannelError) {
            switch framer.find(in: bytes, from: &position) {
            case .none: return
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
            // It believes to be somebody, whatever it is that cannot be read of it.
            if error.verb == ChannelVerb.writer.rawValue, writer == nil { isRefusedWriter = true }
            fail(error)
        }
    }

    /// The number of the line that comes next.
    var nextSequence: UInt64 { (writer?.last ?? 0) + 1 }

    // MARK: The end of the connection

    private func ended(_ error: UVError?) {
        guard error == nil, let descriptor = stream.descriptor, Descriptors.hangUp(of: descriptor) != .everything else {
            return close()
        }
        hasFinished = true
        guard isServed else { return }
        endIfNothingIsOwed()
    }

    /// Ends a connection whose client has finished sending, once it has had everything.
    func endIfNothingIsOwed() {
        guard hasFinished, isServed, !isWaiting, backlog.isEmpty, reader == nil, exit == nil else { return }
        if let writer, writer.client === self, writer.isWaiting { return }
        guard !isAcknowledgementDue, stream.queuedByteCount == 0 else { return }
        leave()
    }

    /// Sends an error, and ends the connection if that is its kind.
    func fail(_ error: ChannelError) {
        guard error.code.closes else { return send(.error(error)) }
        part(error)
    }

    /// Ends the connection with an error, giving the client time to read it.
    func part(_ error: ChannelError) {
        guard isServed else { return }
        send(.error(error))
        leave()
    }

    /// Ends the sending side; what comes is thrown away until the client ends too.
    func leave() {
        guard isServed else { return }
        stopServing()
        stream.finish(deadline: ChannelConstants.partingTime) { [self] _ in close() }
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
        stream.close()
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
