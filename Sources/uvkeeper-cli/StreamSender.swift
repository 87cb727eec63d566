import ArgumentParser
import UVKeeper

/// Sends standard input, or a line that is given, to a keeper over one connection: reads only as fast as the keeper takes,
/// shows progress on a terminal, and gives up when nothing has moved for too long.
final class StreamSender {
    typealias Completion = (SendOutcome, _ lines: Int, _ bytes: UInt64) -> Void

    private enum State {
        /// The connection is being made, or tried again after a pause.
        case connecting(KeeperConnection?, failedAttempts: Int)
        /// Lines are sent as fast as the input and the keeper allow.
        case sending(KeeperConnection)
        /// The last line is sent and not confirmed yet. It is not the input's last if the one after it is too long.
        case finishing(KeeperConnection, isTooLong: Bool)
        /// The keeper has confirmed everything and closed, in the middle of the input. Is that at its end too?
        case sessionEnded
        /// The completion has run.
        case ended

        var connection: KeeperConnection? {
            switch self {
            case .connecting(let connection, _): connection
            case .sending(let connection), .finishing(let connection, _): connection
            case .sessionEnded, .ended: nil
            }
        }
    }

    private static let chunk = 131_072
    private static let tick = Duration.milliseconds(200)
    /// How long the input of a session that has ended may take to end too.
    private static let patience = Duration.seconds(1)
    /// Input shorter than this needs no progress display.
    private static let quiet = Duration.seconds(1)

    private let path: String
    private let loop: Loop
    private let timeout: Duration
    private let maximumLineLength: Int
    /// Nil: standard input.
    private let given: [UInt8]?
    /// Nil once it has run: it holds what holds this.
    private var completion: Completion?
    private var state = State.connecting(nil, failedAttempts: 0)
    private var timer: TimerHandle?
    private var lines = 0
    private var bytes: UInt64 = 0
    /// The start of a line whose end has not been read. Only whole lines are written: were the command interrupted after a
    /// part of one, the keeper would take that for a line.
    private var tail: [UInt8] = []
    /// True while a thread reads standard input, which nothing can interrupt.
    private(set) var isReading = false
    private let startedAt = SystemClock.monotonicTime
    private var lastMove = SystemClock.monotonicTime
    private var lastAccepted: UInt64 = 0
    private let showsProgress = Terminal.isTerminal(2)
    private var hasShown = false

    init(
        _ given: [UInt8]?, to path: String, on loop: Loop, timeout: Duration, maximumLineLength: Int,
        completion: @escaping Completion,
    ) {
        self.given = given
        self.path = path
        self.loop = loop
        self.timeout = timeout
        self.maximumLineLength = maximumLineLength
        self.completion = completion
    }

    func start() {
        let timer = TimerHandle(on: loop)
        self.timer = timer
        timer.onCanceled = { [self] in end(bytes == 0 ? .refused(.keeper(.closed)) : .unknown(.keeper(.closed))) }
        timer.start(after: StreamSender.tick, repeating: StreamSender.tick) { [self] _ in look() }
        connect(failedAttempts: 0)
    }

    private func connect(failedAttempts: Int) {
        lastMove = SystemClock.monotonicTime
        do throws(UVError) {
            let connection = try KeeperConnection(
                to: path, on: loop, onOpen: { [self] in opened($0) }, onEnd: { [self] in ended($1) })
            state = .connecting(connection, failedAttempts: failedAttempts)
        } catch {
            end(.refused(.keeper(.connection(path, error))))
        }
    }

    private func opened(_ connection: KeeperConnection) {
        guard case .connecting = state else { return connection.close() }
        if let given { return sendGiven(given, connection) }
        state = .sending(connection)
        connection.onDrain = { [self] _ in readMore() }
        readMore()
    }

    private func sendGiven(_ line: [UInt8], _ connection: KeeperConnection) {
        let end = line.last == UInt8(ascii: "\n") ? [] : [UInt8(ascii: "\n")]
        guard line.count + end.count <= maximumLineLength else {
            connection.close()
            return self.end(.refused(.tooLong(maximum: maximumLineLength, written: 0)))
        }
        state = .finishing(connection, isTooLong: false)
        write(line + end, connection)
        connection.finish()
    }

    /// Reads the next chunk on a thread: stdin may be a file or a terminal, which a loop cannot watch.
    private func readMore() {
        switch state {
        case .sending, .sessionEnded: break
        case .connecting, .finishing, .ended: return
        }
        guard !isReading else { return }
        isReading = true
        do throws(UVError) {
            try loop.queueWork { () -> Result<[UInt8], UVError> in
                do throws(UVError) {
                    return .success(try Descriptors.read(from: 0, limit: StreamSender.chunk))
                } catch {
                    return .failure(error)
                }
            } completion: { [self] result in
                isReading = false
                received(result)
            }
        } catch {
            isReading = false
            let error = error
            loop.onNextTick { [self] in received(.failure(error)) }
        }
    }

    private func received(_ result: Result<[UInt8], UVError>) {
        lastMove = SystemClock.monotonicTime
        switch state {
        case .sending(let connection): received(result, connection)
        case .sessionEnded: endedBeforeInput(result)
        case .connecting, .finishing, .ended: break
        }
    }

    private func received(_ result: Result<[UInt8], UVError>, _ connection: KeeperConnection) {
        switch result {
        case .failure(let error):
            connection.close()
            let failure = SendFailure.keeper(.file("stdin", error))
            end(bytes == 0 ? .refused(failure) : .unknown(failure))
        case .success(let chunk) where chunk.isEmpty: finish(connection)
        case .success(let chunk): send(chunk, connection)
        }
    }

    private func send(_ chunk: [UInt8], _ connection: KeeperConnection) {
        // The end of the lines that fit.
        var end = 0
        func length(upTo index: Int) -> Int { index - end + (end == 0 ? tail.count : 0) }
        for index in chunk.indices where chunk[index] == UInt8(ascii: "\n") {
            guard length(upTo: index + 1) <= maximumLineLength else { break }
            end = index + 1
        }
        // With its newline it is one byte longer.
        let isTooLong = length(upTo: chunk.count) >= maximumLineLength
        var isBelow = true
        if end > 0 {
            isBelow = write(tail + chunk[..<end], connection)
            tail = []
        }
        guard !isTooLong else { return refuseLine(connection) }
        tail += chunk[end...]
        if isBelow { readMore() }
    }

    /// Nothing of a line that is too long leaves; the lines before it are confirmed first.
    private func refuseLine(_ connection: KeeperConnection) {
        tail = []
        guard bytes > 0 else {
            connection.close()
            return end(.refused(.tooLong(maximum: maximumLineLength, written: 0)))
        }
        state = .finishing(connection, isTooLong: true)
        connection.finish()
    }

    private func finish(_ connection: KeeperConnection) {
        state = .finishing(connection, isTooLong: false)
        if !tail.isEmpty { write(tail + [UInt8(ascii: "\n")], connection) }
        connection.finish()
    }

    /// The session has ended cleanly in the middle of the input, and this is the next thing that came of that.
    private func endedBeforeInput(_ next: Result<[UInt8], UVError>) {
        let isAtEnd = if case .success(let chunk) = next { chunk.isEmpty } else { false }
        end(isAtEnd ? .written : .refused(.sessionEnded(written: lines)))
    }

    @discardableResult
    private func write(_ whole: [UInt8], _ connection: KeeperConnection) -> Bool {
        bytes += UInt64(whole.count)
        lines += whole.count { $0 == UInt8(ascii: "\n") }
        return connection.write(whole)
    }

    private func ended(_ end: KeeperConnection.End) {
        switch (state, end) {
        case (.finishing(_, isTooLong: true), .confirmed):
            self.end(.refused(.tooLong(maximum: maximumLineLength, written: lines)))
        case (.finishing, .confirmed): self.end(.written)
        case (.sending, .confirmed): sessionEnded()
        case (.connecting(_, let failedAttempts), .failed(let error, accepted: 0))
        where error == .noEntry || error == .connectionRefused:
            guard failedAttempts < KeeperConstants.writeBackoffs.count else {
                return self.end(.refused(.keeper(.connection(path, error))))
            }
            // As for a single line: a keeper may just be starting.
            retry(after: KeeperConstants.writeBackoffs[failedAttempts], failedAttempts: failedAttempts + 1)
        case (.connecting, .failed(let error, accepted: 0)), (.sending, .failed(let error, accepted: 0)),
            (.finishing, .failed(let error, accepted: 0)):
            self.end(.refused(.keeper(.connection(path, error))))
        case (.connecting, .failed(let error, _)), (.sending, .failed(let error, _)),
            (.finishing, .failed(let error, _)):
            self.end(.unknown(.keeper(.connection(path, error))))
        case (.connecting, .confirmed), (.sessionEnded, _), (.ended, _): break
        }
    }

    private func retry(after pause: Duration, failedAttempts: Int) {
        state = .connecting(nil, failedAttempts: failedAttempts)
        timer?.start(after: pause) { [self] timer in
            timer.start(after: StreamSender.tick, repeating: StreamSender.tick) { [self] _ in look() }
            connect(failedAttempts: failedAttempts)
        }
    }

    /// Everything that was handed over is written; is there more?
    private func sessionEnded() {
        guard tail.isEmpty else { return end(.refused(.sessionEnded(written: lines))) }
        state = .sessionEnded
        timer?.start(after: StreamSender.patience) { [self] _ in
            end(.refused(.sessionEnded(written: lines)))
        }
        readMore()
    }

    /// Five times a second: progress, and whether anything moves. Waiting for stdin is no standstill.
    private func look() {
        guard let connection = state.connection else { return }
        let accepted = connection.acceptedByteCount
        let isWaitingForInput = isReading && accepted == bytes
        if accepted != lastAccepted || isWaitingForInput { lastMove = SystemClock.monotonicTime }
        lastAccepted = accepted
        showProgress()
        guard SystemClock.monotonicTime - lastMove > timeout else { return }
        connection.close()
        let failure = SendFailure.keeper(.timedOut(timeout))
        end(accepted == 0 ? .refused(failure) : .unknown(failure))
    }

    private func showProgress() {
        let elapsed = SystemClock.monotonicTime - startedAt
        guard showsProgress, elapsed > StreamSender.quiet else { return }
        hasShown = true
        let rate = UInt64(Double(lastAccepted) / (elapsed / .seconds(1)))
        StandardStreams.writeError(
            "\r\u{1B}[K\(lines) lines, \(Output.bytes(lastAccepted)) sent, \(Output.bytes(rate))/s")
    }

    private func end(_ outcome: SendOutcome) {
        if case .ended = state { return }
        state = .ended
        timer?.close()
        if hasShown { StandardStreams.writeError("\r\u{1B}[K") }
        completion.take()?(outcome, lines, bytes)
    }
}
