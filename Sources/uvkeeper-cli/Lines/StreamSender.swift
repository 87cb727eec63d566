import UVKeeper

/// A sender of standard input, or of a given line, to a session: reads only as fast as the child takes lines, shows
/// progress on a terminal, and gives up after too long a standstill. The session itself numbers, sends and confirms the
/// lines.
final class StreamSender {
    /// The completion; lines and bytes are those in the child's stdin, or handed over if ``isConfirmed`` is false.
    typealias Completion = (SendOutcome, _ lines: Int, _ bytes: UInt64) -> Void

    private enum State {
        /// Lines are sent as fast as the input and the child allow.
        case sending
        /// No more is read; the outcomes of sent lines are awaited. Nil: the input is at its end.
        case draining(SendFailure?)
        /// The session has ended during the input; the next read tells if the input is at its end too.
        case sessionEnded
        /// The completion has run.
        case ended
    }

    private static let tick = Duration.milliseconds(200)
    /// The time for the input to end too, once the session has ended.
    private static let patience = Duration.seconds(1)
    /// Input shorter than this needs no progress display.
    private static let quiet = Duration.seconds(1)
    /// The most lines and bytes that wait for the keeper or for the child's pipe.
    private static let mostLines = 4096
    private static let mostBytes = 4_194_304

    private let session: Session
    private let manager: KeeperManager
    private let loop: Loop
    /// The longest standstill; nil: as long as the session lives.
    private let timeout: Duration?
    private let input: LineInput
    /// The given line; nil: standard input.
    private let given: [UInt8]?
    /// The completion; nil once it has run, as it retains the owner of this object.
    private var completion: Completion?
    private var state = State.sending
    private var timer: TimerHandle?
    /// False once a line went to a keeper that cannot say whether the child's stdin has it.
    private(set) var isConfirmed = true
    private var lines = 0
    private var bytes: UInt64 = 0
    /// Lines given to the session that have no outcome yet, by number.
    private var waiting: [Int: Session.Ticket] = [:]
    private var nextNumber = 0
    private var waitingByteCount = 0
    /// Lines read for which there was no room yet, and the number of these that have been sent since.
    private var ready: [[UInt8]] = []
    private var readyStart = 0
    /// True if the line after the ready ones is too long.
    private var isNextTooLong = false
    private var hasSessionEnded = false
    private let startedAt = SystemClock.monotonicTime
    private var lastMove = SystemClock.monotonicTime
    private var progress = ProgressLine()

    init(
        _ given: [UInt8]?, to session: Session, of manager: KeeperManager, on loop: Loop, timeout: Duration?,
        maximumLineLength: Int, completion: @escaping Completion,
    ) {
        self.given = given
        self.session = session
        self.manager = manager
        self.loop = loop
        self.timeout = timeout
        self.completion = completion
        input = LineInput(maximumLineLength: maximumLineLength, on: loop)
    }

    /// True while a thread reads standard input, which cannot be interrupted.
    var isReading: Bool { input.isReading }

    func start() {
        let timer = TimerHandle(on: loop)
        self.timer = timer
        timer.onCanceled = { [self] in end(lines == 0 ? .refused(.keeper(.closed)) : .unknown(.keeper(.closed))) }
        timer.start(after: StreamSender.tick, repeating: StreamSender.tick) { [self] _ in look() }
        session.onEnd = { [self] _ in sessionHasEnded() }
        if let given {
            received(input.lines(of: given))
            if case .sending = state { received(.end) }
        } else {
            readMore()
        }
    }

    // MARK: Input

    private var hasRoom: Bool {
        waiting.count < StreamSender.mostLines && waitingByteCount < StreamSender.mostBytes
    }

    /// Sends lines that were read as far as there is room, and reads on after them.
    private func readMore() {
        while readyStart < ready.count, hasRoom {
            readyStart += 1
            send(ready[readyStart - 1])
        }
        guard readyStart == ready.count else { return }
        ready = []
        readyStart = 0
        guard !isNextTooLong else {
            state = .draining(.tooLong(maximum: input.maximumLineLength, written: 0))
            return goOn()
        }
        if !isReading, hasRoom { input.read { [self] in received($0) } }
    }

    private func received(_ part: LineInput.Part) {
        lastMove = SystemClock.monotonicTime
        switch state {
        case .sending: break
        case .sessionEnded:
            let isAtEnd = if case .end = part { input.hasNoTail } else { false }
            return end(isAtEnd ? outcomeOfAll : .refused(.sessionEnded(written: lines)))
        case .draining, .ended: return
        }
        switch part {
        case .failed(let error): state = .draining(.keeper(.file("stdin", error)))
        case .end:
            if let tail = input.takeTail() { send(tail) }
            state = .draining(nil)
        case .lines(let lines, let isTooLong):
            ready = lines
            isNextTooLong = isTooLong
        }
        goOn()
    }

    private func send(_ line: [UInt8]) {
        let number = nextNumber
        nextNumber += 1
        let count = line.count + (line.last == UInt8(ascii: "\n") ? 0 : 1)
        let newlines = line.dropLast().count { $0 == UInt8(ascii: "\n") } + 1
        waitingByteCount += count
        waiting[number] = session.write(line, deadline: .untilSessionEnds) { [self] outcome in
            waiting[number] = nil
            waitingByteCount -= count
            lastMove = SystemClock.monotonicTime
            if case .sent = outcome { isConfirmed = false }
            switch outcome {
            case .written, .sent:
                lines += newlines
                bytes += UInt64(count)
            case .refused(let error): failed(error, isUnknown: false)
            case .unknown(let error): failed(error, isUnknown: true)
            }
            goOn()
        }
    }

    // MARK: Outcomes

    /// Notes a failure. The first one counts, unless a later one says that a line may have arrived.
    private func failed(_ error: KeeperError, isUnknown: Bool) {
        switch state {
        case .draining(.unknown), .sessionEnded, .ended: return
        case .draining(.some) where !isUnknown: return
        case .sending, .draining: break
        }
        if isUnknown {
            state = .draining(.unknown(error))
        } else {
            state = .draining(error == .sessionEnded(session.id) ? .sessionEnded(written: 0) : .keeper(error))
        }
    }

    /// Reads on, or ends: called after each event.
    private func goOn() {
        switch state {
        case .sending where hasSessionEnded && waiting.isEmpty: sessionEnded()
        case .sending: readMore()
        case .draining(let failure) where waiting.isEmpty:
            switch failure {
            case nil: end(outcomeOfAll)
            case .unknown(let error): end(.unknown(.keeper(error)))
            case .tooLong(let maximum, _): end(.refused(.tooLong(maximum: maximum, written: lines)))
            case .sessionEnded: end(.refused(.sessionEnded(written: lines)))
            case .keeper(let error): end(.refused(.keeper(error)))
            }
        case .draining, .sessionEnded, .ended: break
        }
    }

    private func sessionHasEnded() {
        // A keeper that is not recognised as one may still take lines.
        guard !manager.mayBeAlive(session.id) else { return }
        hasSessionEnded = true
        goOn()
    }

    /// Looks for more input: everything handed over is written.
    private func sessionEnded() {
        guard input.hasNoTail, ready.isEmpty else { return end(.refused(.sessionEnded(written: lines))) }
        state = .sessionEnded
        timer?.start(after: StreamSender.patience) { [self] _ in
            end(.refused(.sessionEnded(written: lines)))
        }
        if !isReading { input.read { [self] in received($0) } }
    }

    /// The outcome if the input is at its end and every line was handed over. Without a line, no keeper has said that there is
    /// such a session.
    private var outcomeOfAll: SendOutcome {
        let exists = nextNumber > 0 || session.record != nil || manager.mayBeAlive(session.id)
        guard exists else { return .refused(.sessionEnded(written: 0)) }
        return isConfirmed ? .written : .sent
    }

    // MARK: Time

    /// Shows progress and checks for a standstill, five times a second. Waiting for stdin is no standstill.
    private func look() {
        let now = SystemClock.monotonicTime
        if waiting.isEmpty { lastMove = now }
        showProgress(now)
        // A line that was given waits as long as its timeout says.
        if given == nil, lines == 0, now - lastMove > KeeperConstants.writeTime, let error = unreachable {
            return giveUp(error)
        }
        if let timeout, now - lastMove > timeout { giveUp(.timedOut(timeout)) }
    }

    /// The reason why neither socket reaches the keeper; nil if one does.
    private var unreachable: KeeperError? {
        let path = manager.paths.socket(for: session.id)
        return switch (SocketProbe(manager.paths.channel(for: session.id)), SocketProbe(path)) {
        case (.missing, .missing): .connection(path, .noEntry)
        case (.missing, .refused), (.refused, .missing), (.refused, .refused): .connection(path, .connectionRefused)
        case (.accepting, _), (_, .accepting), (.failed, _), (_, .failed): nil
        }
    }

    private func giveUp(_ error: KeeperError) {
        // Every line is withdrawn: one that cannot be may have been sent.
        let isRefused = waiting.values.reduce(true) { session.withdraw($1) && $0 }
        end(isRefused ? .refused(.keeper(error)) : .unknown(.keeper(error)))
    }

    private func showProgress(_ now: Duration) {
        let elapsed = now - startedAt
        // An input without an end, such as a person's, has no progress.
        guard timeout != nil, elapsed > StreamSender.quiet else { return }
        let rate = UInt64(Double(bytes) / (elapsed / .seconds(1)))
        progress.show("\(Output.count(lines, "line")), \(Output.bytes(bytes)) sent, \(Output.bytes(rate))/s")
    }

    /// Ends the sender without an outcome.
    func cancel() {
        completion = nil
        end(.written)
    }

    private func end(_ outcome: SendOutcome) {
        if case .ended = state { return }
        state = .ended
        session.onEnd = nil
        timer?.close()
        progress.erase()
        completion.take()?(outcome, lines, bytes)
    }
}
