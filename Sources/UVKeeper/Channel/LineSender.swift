internal import KeeperProtocol
internal import UVLoop

/// The lines of one session on their way through its channel: each is numbered when it is sent, kept until the child's pipe has
/// it, and sent again, under its number, only if the keeper says that it has not taken it.
///
/// Lines that a keeper without a channel must have go to the raw socket, before anything of them was sent.
final class LineSender {
    struct Limits {
        var lines: Int
        var bytes: Int
    }

    enum State {
        case idle
        /// Between two attempts.
        case pausing
        /// Connecting, or waiting for the answer to who writes.
        case connecting(ChannelConnection)
        case open(ChannelConnection)
        case closed
    }

    /// Bytes that are given to a connection before it has taken those before them; the rest can still be withdrawn.
    static let window = 262_144
    private static let tick = Duration.milliseconds(25)

    let session: SessionID
    let paths: KeeperPaths
    let loop: Loop
    private let limits: Limits
    /// A connection without use is given up after this time.
    private let idleTime: Duration
    let writer: SessionWriter
    /// Hands a line to the raw socket.
    private let sendRaw: ([UInt8], @escaping (WriteOutcome) -> Void) -> Void
    private let timer: TimerHandle
    private let retries: TimerHandle
    var state = State.idle
    /// Lines that wait, and after them nothing of which has left.
    var unsent = LineList()
    /// Lines that were sent, in the order of their numbers.
    var sent = LineList()
    private(set) var lineCount = 0
    private(set) var byteCount = 0
    private var nextID: UInt64 = 1
    private var outgoing: [UInt8] = []
    private var isFlushScheduled = false
    /// Failed attempts since the last connection.
    var failures = 0
    private var usedAt = Duration.zero
    /// Told once where the writer goes on.
    var onPosition: ((Result<WriterPosition, KeeperError>) -> Void)?

    init(
        _ session: SessionID, in paths: KeeperPaths, writer: SessionWriter, limits: Limits, idleTime: Duration,
        on loop: Loop,
        sendRaw: @escaping ([UInt8], @escaping (WriteOutcome) -> Void) -> Void,
    ) {
        self.session = session
        self.paths = paths
        self.writer = writer
        self.limits = limits
        self.idleTime = idleTime
        self.loop = loop
        self.sendRaw = sendRaw
        timer = TimerHandle(on: loop)
        retries = TimerHandle(on: loop)
        timer.onCanceled = { [self] in close() }
    }

    /// True if nothing waits and no connection is open.
    var isIdle: Bool {
        switch state {
        case .idle: lineCount == 0
        case .closed: true
        case .pausing, .connecting, .open: false
        }
    }

    var isClosed: Bool { if case .closed = state { true } else { timer.isClosing } }

    // MARK: Lines

    /// - Returns: by what the line can be withdrawn; 0 if it was refused.
    @discardableResult
    func add(
        _ bytes: [UInt8], _ deadline: WriteDeadline, _ completion: @escaping (WriteOutcome) -> Void,
    ) -> UInt64 {
        func refuse(_ error: KeeperError) -> UInt64 {
            loop.onNextTick { completion(.refused(error)) }
            return 0
        }
        guard !isClosed else { return refuse(.closed) }
        guard lineCount < limits.lines, byteCount + bytes.count <= limits.bytes else {
            return refuse(.queueFull(lines: lineCount, bytes: byteCount))
        }
        if let error = writer.refusal { return refuse(error) }
        lineCount += 1
        byteCount += bytes.count
        let id = nextID
        nextID += 1
        unsent.append(SentLine(id: id, bytes: bytes, deadline: deadline, completion: completion))
        watchTime()
        switch state {
        case .idle: attempt()
        case .open: scheduleFlush()
        case .pausing, .connecting, .closed: break
        }
        return id
    }

    /// Takes back a line of which nothing has left.
    func withdraw(_ id: UInt64) -> Bool {
        guard let line = unsent.remove(id) else { return false }
        loop.onNextTick { [self] in complete([line], .refused(.withdrawn)) }
        return true
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        // All that is added in one tick goes out in one write.
        loop.onNextTick { [self] in
            isFlushScheduled = false
            flush()
        }
    }

    func flush() {
        guard case .open(let connection) = state, !unsent.isEmpty, connection.queuedByteCount < LineSender.window else {
            return
        }
        let maximum = connection.hello?.maximumLineLength ?? .max
        var tooLong: [SentLine] = []
        while let line = unsent.first, outgoing.count < LineSender.window {
            unsent.removeFirst()
            guard line.byteCount <= maximum else {
                tooLong.append(line)
                continue
            }
            writer.last += 1
            var line = line
            line.sequence = writer.last
            line.startWaiting()
            line.append(to: &outgoing)
            sent.append(line)
        }
        connection.send(outgoing)
        outgoing.removeAll(keepingCapacity: outgoing.capacity <= LineSender.window)
        usedAt = SystemClock.monotonicTime
        if !unsent.isEmpty, connection.queuedByteCount < LineSender.window { scheduleFlush() }
        for line in tooLong { complete([line], .refused(.lineTooLong(line.byteCount, maximum: maximum))) }
    }

    // MARK: Attempts

    func attempt() {
        // Closed by the host meanwhile, in a completion perhaps.
        guard !timer.isClosing else { return }
        guard lineCount == unsent.count, hasNoChannel else { return connect() }
        sent = LineList()
        // An older keeper, or the original: nothing of these lines was sent.
        let lines = unsent.takeAll()
        state = .idle
        failures = 0
        for line in lines {
            lineCount -= 1
            byteCount -= line.bytes.count
            sendRaw(line.bytes, line.completion)
        }
    }

    /// True if there is a raw socket and no channel.
    private var hasNoChannel: Bool {
        !LineSender.isPresent(paths.channel(for: session)) && LineSender.isPresent(paths.socket(for: session))
    }

    private static func isPresent(_ path: String) -> Bool {
        do throws(UVError) {
            _ = try Files.status(of: path, followingLinks: false)
            return true
        } catch {
            // A path that cannot be looked at is an error of the connection's.
            return error != .noEntry
        }
    }

    private func connect() {
        // A hello may take longer than an attempt of the original's when nobody is in a hurry.
        let isHurried = unsent.first?.deadline == .attempts || sent.first?.deadline == .attempts
        var connection: ChannelConnection?
        connection = ChannelConnection(
            to: session, in: paths,
            within: isHurried ? KeeperConstants.writeAttemptTimeout : ChannelConstants.helloTime, on: loop,
            ChannelConnection.Handlers(
                onOpen: { [self] hello in
                    connection?.send(writer.introduction(epoch: hello.epoch, hasUnresolved: !sent.isEmpty))
                },
                onMessage: { [self] message in received(message) },
                onDrain: { [self] in flush() },
                onEnd: { [self] error in
                    connection = nil
                    failed(error)
                }))
        if let connection { state = .connecting(connection) }
    }

    private func failed(_ error: KeeperError) {
        failures += 1
        attemptFailed(error)
    }

    /// Tries again after a pause, if there is anything to try for.
    func retry() {
        guard lineCount > 0 || onPosition != nil else { return state = .idle }
        state = .pausing
        let pauses = KeeperConstants.writeBackoffs
        let longer = Duration.milliseconds(min(1000, 150 << min(4, max(0, failures - pauses.count))))
        let pause = failures <= pauses.count ? pauses[max(0, failures - 1)] : longer
        retries.start(after: pause) { [self] _ in attempt() }
    }

    // MARK: Time

    /// Looks again and again as long as lines wait; the timer may be waiting for the idle time's end.
    private func watchTime() {
        guard !timer.isActive || timer.repeatInterval == nil else { return }
        timer.start(after: LineSender.tick, repeating: LineSender.tick) { [self] _ in look() }
    }

    /// Looks for lines whose time is over, and for a connection that nobody uses.
    private func look() {
        let now = SystemClock.monotonicTime
        guard lineCount > 0 else {
            if case .open(let connection) = state {
                guard now - usedAt >= idleTime else {
                    return timer.start(after: idleTime) { [self] _ in look() }
                }
                connection.close()
                state = .idle
            }
            return timer.stop()
        }
        unsent.startWaitingOfFirst()
        let late = unsent.takeExpired(now)
        let unsure = sent.expire(now)
        for line in late { complete([line], .refused(.timedOut(line.time))) }
        for line in unsure { complete([line], .unknown(.timedOut(line.time))) }
        if lineCount > 0 { watchTime() }
    }

    // MARK: Ends

    func complete(_ lines: [SentLine], _ outcome: WriteOutcome) {
        for line in lines where !line.isTold {
            lineCount -= 1
            byteCount -= line.bytes.count
        }
        for line in lines where !line.isTold { line.completion(outcome) }
    }

    /// Ends everything: lines of which nothing was sent are refused, the others unknown, on a later tick.
    func close() {
        if case .closed = state { return }
        switch state {
        case .connecting(let connection), .open(let connection): connection.close()
        case .idle, .pausing, .closed: break
        }
        state = .closed
        timer.close()
        retries.close()
        let (unknown, refused) = (sent.takeAll(), unsent.takeAll())
        let told = onPosition.take()
        guard !unknown.isEmpty || !refused.isEmpty || told != nil, !loop.isClosed else { return }
        loop.onNextTick { [self] in
            told?(.failure(.closed))
            complete(unknown, .unknown(.closed))
            complete(refused, .refused(.closed))
        }
    }
}
