import UVKeeper

/// Sends standard input to a keeper over one connection: reads only as fast as the keeper takes, shows progress on a
/// terminal, and gives up when nothing has moved for too long.
final class StreamSender {
    typealias Completion = (WriteOutcome, _ lines: Int, _ bytes: UInt64) -> Void

    private static let chunk = 131_072
    private static let longestTail = KeeperConstants.defaultMaximumLineLength
    private static let tick = Duration.milliseconds(200)
    /// Input shorter than this needs no progress display.
    private static let quiet = Duration.seconds(1)

    private let path: String
    private let loop: Loop
    private let timeout: Duration
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
    private let startedAt = LibUV.monotonicTime
    private var lastMove = LibUV.monotonicTime
    private var lastAccepted: UInt64 = 0
    private let showsProgress = Descriptors.isTerminal(2)
    private var hasShown = false

    init(to path: String, on loop: Loop, timeout: Duration, completion: @escaping Completion) {
        self.path = path
        self.loop = loop
        self.timeout = timeout
        self.completion = completion
    }

    func start() {
        do throws(UVError) {
            let timer = try TimerHandle(on: loop)
            self.timer = timer
            timer.start(after: StreamSender.tick, repeating: StreamSender.tick) { [self] _ in look() }
        } catch {
            preconditionFailure("uv_timer_init does not fail: \(error)")
        }
        connect()
    }

    private func connect() {
        lastMove = LibUV.monotonicTime
        do throws(UVError) {
            connection = try KeeperConnection(
                to: path, on: loop,
                onOpen: { [self] connection in
                    connection.onDrain = { [self] _ in readMore() }
                    readMore()
                },
                onEnd: { [self] _, end in ended(end) })
        } catch {
            end(.refused(.connection(path, error)))
        }
    }

    /// Reads the next chunk on a thread: stdin may be a file or a terminal, which a loop cannot watch.
    private func readMore() {
        guard !isReading, !isFinished, completion != nil else { return }
        isReading = true
        loop.queueWork { () -> Result<[UInt8], UVError> in
            do throws(UVError) {
                return .success(try Descriptors.read(from: 0, limit: StreamSender.chunk))
            } catch {
                return .failure(error)
            }
        } completion: { [self] result in
            isReading = false
            lastMove = LibUV.monotonicTime
            guard completion != nil, let connection else { return }
            switch result {
            case .failure(let error):
                connection.close()
                end(bytes == 0 ? .refused(.file("stdin", error)) : .unknown(.file("stdin", error)))
            case .success(let chunk) where chunk.isEmpty: finish(connection)
            case .success(let chunk): send(chunk, connection)
            }
        }
    }

    private func send(_ chunk: [UInt8], _ connection: KeeperConnection) {
        let newline = chunk.lastIndex(of: UInt8(ascii: "\n"))
        guard newline != nil || tail.count >= StreamSender.longestTail else {
            tail += chunk
            return readMore()
        }
        // A line that is longer than any keeper takes goes on its way as it comes, to be refused there.
        let end = newline.map { $0 + 1 } ?? chunk.count
        let isBelow = write(tail + chunk[..<end], connection)
        tail = Array(chunk[end...])
        if isBelow { readMore() }
    }

    private func finish(_ connection: KeeperConnection) {
        isFinished = true
        if !tail.isEmpty { write(tail + [UInt8(ascii: "\n")], connection) }
        connection.finish()
    }

    @discardableResult
    private func write(_ whole: [UInt8], _ connection: KeeperConnection) -> Bool {
        bytes += UInt64(whole.count)
        lines += whole.count { $0 == UInt8(ascii: "\n") }
        return connection.write(whole)
    }

    private func ended(_ end: KeeperConnection.End) {
        switch end {
        case .confirmed: self.end(.written)
        case .failed(let error, accepted: 0):
            let canRetry = bytes == 0 && (error == .noEntry || error == .connectionRefused)
            guard canRetry, failedAttempts < KeeperConstants.writeBackoffs.count else {
                return self.end(.refused(.connection(path, error)))
            }
            // As for a single line: a keeper may just be starting.
            let pause = KeeperConstants.writeBackoffs[failedAttempts]
            failedAttempts += 1
            timer?.start(after: pause) { [self] timer in
                timer.start(after: StreamSender.tick, repeating: StreamSender.tick) { [self] _ in look() }
                connect()
            }
        case .failed(let error, _): self.end(.unknown(.connection(path, error)))
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
        end(accepted == 0 ? .refused(.timedOut(timeout)) : .unknown(.timedOut(timeout)))
    }

    private func showProgress() {
        let elapsed = LibUV.monotonicTime - startedAt
        guard showsProgress, elapsed > StreamSender.quiet else { return }
        hasShown = true
        let rate = UInt64(Double(lastAccepted) / (elapsed / .seconds(1)))
        Descriptors.writeToStandardError(
            "\r\u{1B}[K\(lines) lines, \(Output.bytes(lastAccepted)) sent, \(Output.bytes(rate))/s")
    }

    private func end(_ outcome: WriteOutcome) {
        guard let completion else { return }
        self.completion = nil
        timer?.close()
        if hasShown { Descriptors.writeToStandardError("\r\u{1B}[K") }
        completion(outcome, lines, bytes)
        // A read of stdin that goes on in a thread would keep the loop, and the user waiting, for ever.
        if isReading {
            let code: Int32 =
                switch outcome {
                case .written: 0
                case .refused: 1
                case .unknown: 2
                }
            Output.flush()
            Processes.exitAtOnce(code)
        }
    }
}
