import ArgumentParser
import UVKeeper

/// Sends standard input, or a line that is given, to a keeper over one connection: reads only as fast as the keeper takes,
/// shows progress on a terminal, and gives up when nothing has moved for too long.
final class StreamSender {
    typealias Completion = (SendOutcome, _ lines: Int, _ bytes: UInt64) -> Void

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
    private var completion: Completion?
    private var connection: KeeperConnection?
    private var timer: TimerHandle?
    private var failedAttempts = 0
    private var lines = 0
    private var bytes: UInt64 = 0
    /// The start of a line whose end has not been read. Only whole lines are written: were the command interrupted after a
    /// part of one, the keeper would take that for a line.
    private var tail: [UInt8] = []
    private var isReading = false
    private var isFinished = false
    /// The next line was too long: what came before it is to be confirmed.
    private var isTooLong = false
    /// The keeper has confirmed all that was sent, and closed; is the input at its end too?
    private var hasSessionEnded = false
    private let startedAt = LibUV.monotonicTime
    private var lastMove = LibUV.monotonicTime
    private var lastAccepted: UInt64 = 0
    private let showsProgress = Descriptors.isTerminal(2)
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
        connect()
    }

    private func connect() {
        lastMove = LibUV.monotonicTime
        do throws(UVError) {
            connection = try KeeperConnection(
                to: path, on: loop,
                onOpen: { [self] connection in
                    connection.onDrain = { [self] _ in readMore() }
                    if let given { sendGiven(given, connection) } else { readMore() }
                },
                onEnd: { [self] _, end in ended(end) })
        } catch {
            end(.refused(.keeper(.connection(path, error))))
        }
    }

    private func sendGiven(_ line: [UInt8], _ connection: KeeperConnection) {
        let end = line.last == UInt8(ascii: "\n") ? [] : [UInt8(ascii: "\n")]
        guard line.count + end.count <= maximumLineLength else {
            connection.close()
            return self.end(.refused(.tooLong(maximum: maximumLineLength, written: 0)))
        }
        isFinished = true
        write(line + end, connection)
        connection.finish()
    }

    /// Reads the next chunk on a thread: stdin may be a file or a terminal, which a loop cannot watch.
    private func readMore() {
        guard !isReading, !isFinished, completion != nil else { return }
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
        lastMove = LibUV.monotonicTime
        guard completion != nil, let connection else { return }
        if hasSessionEnded { return endedBeforeInput(result) }
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
        isFinished = true
        isTooLong = true
        tail = []
        guard bytes > 0 else {
            connection.close()
            return end(.refused(.tooLong(maximum: maximumLineLength, written: 0)))
        }
        connection.finish()
    }

    private func finish(_ connection: KeeperConnection) {
        isFinished = true
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
        switch end {
        case .confirmed where isTooLong: self.end(.refused(.tooLong(maximum: maximumLineLength, written: lines)))
        case .confirmed where isFinished: self.end(.written)
        case .confirmed:
            // Everything that was handed over is written; is there more?
            guard tail.isEmpty else { return self.end(.refused(.sessionEnded(written: lines))) }
            hasSessionEnded = true
            timer?.start(after: StreamSender.patience) { [self] _ in
                self.end(.refused(.sessionEnded(written: lines)))
            }
            readMore()
        case .failed(let error, accepted: 0):
            let canRetry = bytes == 0 && (error == .noEntry || error == .connectionRefused)
            guard canRetry, failedAttempts < KeeperConstants.writeBackoffs.count else {
                return self.end(.refused(.keeper(.connection(path, error))))
            }
            // As for a single line: a keeper may just be starting.
            let pause = KeeperConstants.writeBackoffs[failedAttempts]
            failedAttempts += 1
            timer?.start(after: pause) { [self] timer in
                timer.start(after: StreamSender.tick, repeating: StreamSender.tick) { [self] _ in look() }
                connect()
            }
        case .failed(let error, _): self.end(.unknown(.keeper(.connection(path, error))))
        }
    }

    /// Five times a second: progress, and whether anything moves. Waiting for stdin is no standstill.
    private func look() {
        guard let connection else { return }
        let accepted = connection.acceptedByteCount
        let isWaitingForInput = isReading && accepted == bytes
        if accepted != lastAccepted || isWaitingForInput { lastMove = LibUV.monotonicTime }
        lastAccepted = accepted
        showProgress()
        guard LibUV.monotonicTime - lastMove > timeout else { return }
        connection.close()
        let failure = SendFailure.keeper(.timedOut(timeout))
        end(accepted == 0 ? .refused(failure) : .unknown(failure))
    }

    private func showProgress() {
        let elapsed = LibUV.monotonicTime - startedAt
        guard showsProgress, elapsed > StreamSender.quiet else { return }
        hasShown = true
        let rate = UInt64(Double(lastAccepted) / (elapsed / .seconds(1)))
        Descriptors.writeToStandardError(
            "\r\u{1B}[K\(lines) lines, \(Output.bytes(lastAccepted)) sent, \(Output.bytes(rate))/s")
    }

    private func end(_ outcome: SendOutcome) {
        guard let completion else { return }
        self.completion = nil
        timer?.close()
        if hasShown { Descriptors.writeToStandardError("\r\u{1B}[K") }
        completion(outcome, lines, bytes)
        // A read of stdin that goes on in a thread would keep the loop, and the user waiting, for ever.
        if isReading {
            Output.flush()
            Processes.exitAtOnce(outcome.exitCode.rawValue)
        }
    }
}
