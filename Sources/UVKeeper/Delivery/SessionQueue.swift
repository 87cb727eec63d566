internal import KeeperProtocol
internal import UVLoop

/// The lines of a session, or of a raw socket, that have no outcome yet: their order, limits, attempts and deadlines. A
/// courier carries them: by the channel, or to the raw socket of a keeper without one.
///
/// The queue's timers retain it until it is closed: every line is completed even if the manager was released before.
final class SessionQueue {
    private enum State {
        case idle
        /// The queue pauses between two attempts.
        case pausing
        /// The courier connects, or is connected.
        case attempting(any LineCourier)
        case closed
    }

    /// Nil for a socket that is known only by its path.
    let session: (id: SessionID, paths: KeeperPaths)?
    let loop: Loop
    let limits: Limits
    private let deadlines: TimerHandle
    private let pauses: TimerHandle
    /// The raw socket's path.
    private let socket: String
    /// The courier for the channel; nil for a socket that is known only by its path, and after the end.
    private(set) var channel: ChannelCourier?
    /// The courier for the raw socket; nil before its first use.
    private var raw: RawCourier?
    private var state = State.idle
    let lines = LineRing()
    private(set) var lineCount = 0
    private(set) var byteCount = 0
    private var nextID: UInt64 = 1
    /// The number of failed attempts since the last success.
    var failures = 0 {
        didSet { if failures == 0 { earlyAttempts = 0 } }
    }
    /// The number of attempts to reach a keeper that was starting, since the last success.
    private var earlyAttempts = 0
    /// The number of all attempts begun, and of those that failed.
    private(set) var attemptCount: UInt64 = 0
    private(set) var failedAttemptCount: UInt64 = 0
    /// The time at which the deadline timer fires, on the monotonic clock; nil if it is not set.
    private var nextDeadline: Duration?

    /// The queue of a session.
    convenience init(
        _ session: SessionID, in paths: KeeperPaths, _ options: KeeperManager.Options, on loop: Loop
    ) {
        self.init(of: (session, paths), socket: paths.socket(for: session), limits: options.limits, on: loop)
        channel = ChannelCourier(session, in: paths, options, of: self)
    }

    /// The queue of a raw socket.
    convenience init(toSocketAt path: String, limits: Limits, on loop: Loop) {
        self.init(of: nil, socket: path, limits: limits, on: loop)
    }

    private init(of session: (SessionID, KeeperPaths)?, socket: String, limits: Limits, on loop: Loop) {
        self.session = session
        self.socket = socket
        self.limits = limits
        self.loop = loop
        deadlines = TimerHandle(on: loop)
        pauses = TimerHandle(on: loop)
        deadlines.onCanceled = { [self] in canceled() }
    }

    /// True if the queue can be forgotten.
    var isIdle: Bool {
        switch state {
        // A queue that runs completions is idle even while more lines wait.
        case .idle: lineCount == 0 && raw?.isIdle ?? true
        case .closed: true
        case .pausing, .attempting: false
        }
    }

    /// True once the queue is closed, or the host has closed all handles of the loop: reported on a later tick.
    var isClosed: Bool {
        if case .closed = state { true } else { deadlines.isClosing }
    }

    // MARK: Lines

    /// Adds a line.
    ///
    /// - Returns: the id by which the line can be withdrawn; 0 if it was refused.
    @discardableResult
    func add(
        _ bytes: consuming [UInt8], _ deadline: WriteDeadline,
        _ completion: consuming @escaping (WriteOutcome) -> Void,
    ) -> UInt64 {
        let count = WaitingLine.byteCount(of: bytes)
        if let error = refusal(of: count) {
            loop.onNextTick { [completion] in completion(.refused(error)) }
            return 0
        }
        let end: Duration? = if case .within(let time) = deadline { SystemClock.deadline(in: time) } else { nil }
        if let end { watch(until: end) }
        let id = nextID
        nextID += 1
        lineCount += 1
        byteCount += count
        let isFirst = lines.append(
            WaitingLine(
                id: id, bytes: bytes, byteCount: count, completion: completion, deadline: deadline, expiresAt: end))
        // The courier works on the earlier lines first.
        guard isFirst else { return id }
        switch state {
        case .idle: attempt()
        case .attempting(let courier): courier.linesChanged()
        case .pausing, .closed: break
        }
        return id
    }

    /// Takes back a line of which no byte was sent.
    func withdraw(_ id: UInt64) -> Bool {
        let line = lines.take(.unsent) { $0.id == id }
        guard !line.isEmpty else { return false }
        // The line behind it may be the first now.
        if case .attempting(let courier) = state { courier.linesChanged() }
        loop.onNextTick { [self] in complete(line, .refused(.withdrawn)) }
        return true
    }

    /// Completes the sent lines up to a number: the child's pipe has them.
    func complete(upTo sequence: UInt64) {
        let lines = self.lines.take(upTo: sequence)
        defer { lines.deallocate() }
        for line in lines.indices where !lines[line].isTold {
            lineCount -= 1
            byteCount -= lines[line].byteCount
        }
        for index in lines.indices {
            // The line is moved out: a copy would count its references.
            let line = lines.moveElement(from: index)
            if !line.isTold { line.completion(.written) }
        }
        restIfIdle()
    }

    /// Completes lines, in the new state: their completions may add lines or close the queue.
    func complete(_ lines: [WaitingLine], _ outcome: WriteOutcome) {
        for line in lines where !line.isTold {
            lineCount -= 1
            byteCount -= line.byteCount
        }
        for line in lines where !line.isTold { line.completion(outcome) }
        restIfIdle()
    }

    private func restIfIdle() {
        if lineCount == 0, case .attempting(let courier) = state { courier.rest() }
    }

    // MARK: Attempts

    /// True if an attempt has a purpose.
    private var isNeeded: Bool { !lines.isEmpty(.unsent) || lines.hasUntold || channel?.onPosition != nil }

    /// Begins an attempt for a request to the channel alone, unless one is under way or scheduled.
    func attemptIfIdle() {
        if case .idle = state { attempt() }
    }

    private func attempt() {
        // The host may have closed the queue meanwhile, perhaps in a completion: `canceled` follows.
        guard !isClosed else { return }
        guard isNeeded else { return state = .idle }
        let courier = chooseCourier()
        state = .attempting(courier)
        attemptCount += 1
        courier.attempt()
    }

    /// Chooses the raw socket if there is no channel, and no line without an outcome was sent by the channel.
    private func chooseCourier() -> any LineCourier {
        if let channel, let session {
            guard lineCount > 0, lineCount == lines.count - lines.sentCount,
                !KeeperConnect.isPresent(session.paths.channel(for: session.id)), KeeperConnect.isPresent(socket)
            else { return channel }
            _ = lines.takeAll(.sent)
        }
        let courier = raw ?? RawCourier(to: socket, of: self)
        raw = courier
        return courier
    }

    /// Called when the courier has no connection any more, and nothing has failed.
    ///
    /// - Parameter outcomes: the outcomes of lines that were sent.
    func attemptEnded(_ outcomes: [(lines: [WaitingLine], outcome: WriteOutcome)] = []) {
        state = .idle
        failures = 0
        for (lines, outcome) in outcomes { complete(lines, outcome) }
        if case .idle = state, !lines.isEmpty(.unsent) { attempt() }
    }

    /// Called when an attempt, or its connection, has failed: counts the failure against every line. Lines with
    /// attempts or time left are tried again after a pause.
    ///
    /// - Parameter lost: lines that were sent and are not tried again.
    func attemptFailed(_ reason: KeeperError, lost: [WaitingLine] = []) {
        // The host has closed all handles of the loop: no attempt is possible, and `canceled` follows.
        guard !isClosed else { return complete(lost, .unknown(.closed)) }
        failedAttemptCount += 1
        if earlyAttempts < KeeperConstants.mostEarlyAttempts, isKeeperStarting(after: reason) {
            // The keeper's sockets are about to come: the failure counts against no line.
            earlyAttempts += 1
            pause(for: KeeperConstants.startPause)
            return complete(lost, .unknown(reason))
        }
        failures += 1
        let isFinal = reason.isConfiguration
        // Lines that were sent stay: later numbers need them, and a keeper that comes back may take them.
        let (refused, unknown) = isFinal ? (lines.takeAll(.unsent), lines.takeAll(.sent)) : lines.failAttempt()
        let isGone = reason.isAbsence && isWithoutKeeper
        let ended = isGone ? lines.take(.unsent) { $0.deadline == .untilSessionEnds } : []
        let forgotten = isGone ? lines.take(.sent) { $0.deadline != .attempts } : []
        retry()
        complete(lost, .unknown(reason))
        complete(unknown, .unknown(reason))
        complete(refused, .refused(reason))
        guard let session else { return }
        complete(forgotten, .unknown(.sessionEnded(session.id)))
        complete(ended, .refused(.sessionEnded(session.id)))
    }

    /// Tries again after a pause, if an attempt has a purpose.
    func retry() {
        guard isNeeded else { return state = .idle }
        let count = max(1, min(failures, lines.failedAttemptsOfFirst ?? failures))
        let pauses = KeeperConstants.writeBackoffs
        let longer = Duration.milliseconds(min(1000, 150 << min(4, max(0, count - pauses.count))))
        pause(for: count <= pauses.count ? pauses[count - 1] : longer)
    }

    private func pause(for time: Duration) {
        state = .pausing
        pauses.start(after: time) { [self] _ in attempt() }
    }

    // MARK: Deadlines

    /// Starts the time of the first unsent line's attempts, unless it has started.
    func startTurn() {
        if let time = lines.startWaitingOfFirst() { watch(until: time) }
    }

    func watch(until time: Duration) {
        guard nextDeadline.map({ time < $0 }) ?? true, !deadlines.isClosing else { return }
        nextDeadline = time
        deadlines.start(after: time - SystemClock.monotonicTime) { [self] _ in expire() }
    }

    private func expire() {
        nextDeadline = nil
        let now = SystemClock.monotonicTime
        let (late, unsure) = lines.expire(now)
        if let time = lines.earliest(.unsent) { watch(until: time) }
        if let time = lines.earliest(.sent) { watch(until: time) }
        if !late.isEmpty, case .attempting(let courier) = state { courier.linesChanged() }
        for line in late { complete([line], .refused(.timedOut(line.time))) }
        for line in unsure { complete([line], .unknown(.timedOut(line.time))) }
    }

    // MARK: The end

    /// Ends everything, on a later tick: lines of which no byte was sent are refused, the others unknown. Harmless
    /// after the end of the loop, when no line is left.
    func close() {
        guard let complete = end() else { return }
        loop.onNextTick(complete)
    }

    /// Called when the host has closed all handles of the loop.
    private func canceled() { end()?() }

    private func end() -> (() -> Void)? {
        if case .closed = state { return nil }
        state = .closed
        deadlines.close()
        pauses.close()
        channel?.close()
        raw?.close()
        let (unknown, refused) = (lines.takeAll(.sent), lines.takeAll(.unsent))
        let position = channel?.onPosition.take()
        (channel, raw) = (nil, nil)
        guard !unknown.isEmpty || !refused.isEmpty || position != nil else { return nil }
        return { [self] in
            position?(.failure(.closed))
            complete(unknown, .unknown(.closed))
            complete(refused, .refused(.closed))
        }
    }
}
