internal import KeeperProtocol
internal import UVLoop

/// The carrier of lines through a session's channel. Each line is numbered when it is sent, and kept until the child's
/// pipe has it; the line is sent again, under its number, only if the keeper says that it has not taken it.
final class ChannelCourier: LineCourier {
    enum State {
        case idle
        /// The courier connects, or waits for the answer to its introduction.
        case connecting(ChannelConnection)
        case open(ChannelConnection)
    }

    /// The most bytes given to a connection before it has taken the earlier ones; the lines after these can still be
    /// withdrawn.
    static let window = 262_144
    /// The bytes of one write: the keeper works on the first lines while the next ones are put together.
    private static let chunk = 65_536

    let session: SessionID
    let paths: KeeperPaths
    let writer: SessionWriter
    /// The queue, which lets go of the courier when it is closed.
    let queue: SessionQueue
    /// The time after which an unused connection is given up.
    private let idleTime: Duration
    /// Looks for acknowledgements without sleeping; nil unless the host wants that.
    let busyPoll: BusyPoll?
    var state = State.idle {
        didSet {
            guard case .idle = state else { return }
            busyPoll?.stop()
            isInputClosed = false
        }
    }
    /// True once the keeper has said that the child's stdin is closed: it does so once for a connection, and answers no
    /// line after that.
    var isInputClosed = false
    private var isFlushScheduled = false
    /// Called once with the position at which the writer goes on.
    var onPosition: ((Result<WriterPosition, KeeperError>) -> Void)?

    init(_ session: SessionID, in paths: KeeperPaths, _ options: KeeperManager.Options, of queue: SessionQueue) {
        self.session = session
        self.paths = paths
        self.queue = queue
        writer = SessionWriter(options.writer)
        idleTime = options.idleTime
        busyPoll = options.busyPoll > .zero ? BusyPoll(for: options.busyPoll, on: queue.loop) : nil
    }

    var isIdle: Bool { if case .idle = state { true } else { false } }

    /// Introduces the writer before there is anything to write.
    ///
    /// - Parameter waits: true to try once more in the next tick: lines that are being refused have their outcomes by then.
    func resume(
        epoch: String?, last: UInt64, waits: Bool = true,
        _ completion: @escaping (Result<WriterPosition, KeeperError>) -> Void,
    ) {
        let loop = queue.loop
        if case .open(let connection) = state, let hello = connection.hello {
            guard epoch == nil || epoch == hello.epoch else {
                return loop.onNextTick { [session] in completion(.failure(.sessionBeganAnew(session))) }
            }
            guard epoch == nil && last == 0 || writer.last <= last else {
                return loop.onNextTick { [session, writer] in
                    let text = "line \(writer.last) of \(writer.name) was taken, \(last) is the journal's last"
                    completion(.failure(.channel(session, ChannelError.Code.sequence.rawValue, text)))
                }
            }
            // After a refusal, the connection may have been made again before the host has asked.
            writer.refusal = nil
            let position = WriterPosition(epoch: hello.epoch, last: writer.last, acknowledged: writer.acknowledged)
            return loop.onNextTick { completion(.success(position)) }
        }
        guard !queue.isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        guard onPosition == nil, queue.lineCount == 0 else {
            return loop.onNextTick { [self] in
                if waits { return resume(epoch: epoch, last: last, waits: false, completion) }
                completion(.failure(.linesWait(session)))
            }
        }
        // Lines whose outcome is unknown had numbers of the position before. From now on the host decides about them.
        _ = queue.lines.takeAll(.sent)
        writer.refusal = nil
        writer.epoch = epoch
        writer.last = last
        onPosition = completion
        queue.attemptIfIdle()
    }

    // MARK: Attempts

    func attempt() {
        // A hello may take longer than an attempt of the original's if no line is in a hurry.
        let isHurried = queue.lines.firstDeadline == .attempts
        var connection: ChannelConnection?
        connection = ChannelConnection(
            to: session, in: paths,
            within: isHurried ? KeeperConstants.writeAttemptTimeout : ChannelConstants.helloTime, on: queue.loop,
            ChannelConnection.Handlers(
                onOpen: { [self] hello in
                    connection?.send(
                        writer.introduction(epoch: hello.epoch, hasUnresolved: !queue.lines.isEmpty(.sent)))
                },
                onMessage: { [self] message in received(message) },
                onDrain: { [self] in flush() },
                onIdle: { [self] in
                    connection = nil
                    state = .idle
                    queue.attemptEnded()
                },
                onEnd: { [self] error in
                    connection = nil
                    failed(error)
                }))
        if let connection { state = .connecting(connection) }
    }

    func rest() {
        if case .open(let connection) = state { connection.rest(for: idleTime) }
    }

    func close() {
        disconnect()
        busyPoll?.close()
    }

    func disconnect() {
        switch state {
        case .connecting(let connection), .open(let connection): connection.close()
        case .idle: break
        }
        state = .idle
    }

    // MARK: Sending

    func linesChanged() {
        guard !isFlushScheduled, case .open = state else { return }
        isFlushScheduled = true
        // All lines added in one tick go out in one write.
        queue.loop.onNextTick { [self, queue] in
            isFlushScheduled = false
            if !queue.isClosed { flush() }
        }
    }

    func flush() {
        guard case .open(let connection) = state, !queue.lines.isEmpty(.unsent) else { return }
        guard !isInputClosed else {
            return queue.complete(queue.lines.takeAll(.unsent), .refused(.inputClosed(session)))
        }
        guard connection.queuedByteCount < ChannelCourier.window else { return queue.startTurn() }
        let maximum = connection.hello?.maximumLineLength ?? .max
        let end = SystemClock.monotonicTime + KeeperConstants.writeTime
        var tooLong: [WaitingLine] = []
        var left = ChannelCourier.window
        repeat {
            tooLong += queue.lines.takeFirst(longerThan: maximum)
            let (messages, haveAttempts) = queue.lines.send(
                ChannelCourier.chunk, after: &writer.last, longest: maximum, until: end)
            if haveAttempts { queue.watch(until: end) }
            guard !messages.isEmpty else { continue }
            left -= messages.count
            connection.send(messages)
        } while left > 0 && connection.queuedByteCount == 0 && !queue.lines.isEmpty(.unsent)
        if !queue.lines.isEmpty(.sent) { busyPoll?.begin() }
        if !queue.lines.isEmpty(.unsent) {
            queue.startTurn()
            if connection.queuedByteCount < ChannelCourier.window { linesChanged() }
        }
        for line in tooLong { queue.complete([line], .refused(.lineTooLong(line.byteCount, maximum: maximum))) }
    }
}
