import KeeperProtocol
import UVKeeper

/// A conversation with a session's child: standard input to it, its output to stdout and stderr.
final class Attachment {
    enum End {
        /// The input has ended, and the session goes on.
        case detached
        case sessionEnded(SessionExit?)
        /// A line was refused, or may not have arrived.
        case notSent(SendOutcome)
        case failed(KeeperError)
        /// The output has no reader any more.
        case noReader
    }

    private let session: Session
    private let manager: KeeperManager
    private let endsInput: Bool
    private let quiet: Duration
    private let loop: Loop
    private let pump: OutputPump
    private var printer: OutputPrinter
    private let timer: TimerHandle
    private var sender: StreamSender?
    private var read: OutputRead?
    private var readers: ReaderWatch?
    /// True once the input has ended, and all of it is in the child's stdin.
    private var isInputAtEnd = false
    private var completion: ((End) -> Void)?

    init(
        to session: Session, of manager: KeeperManager, endsInput: Bool, quiet: Duration, isJSON: Bool, on loop: Loop,
    ) {
        self.session = session
        self.manager = manager
        self.endsInput = endsInput
        self.quiet = quiet
        self.loop = loop
        pump = OutputPump(on: loop)
        printer = OutputPrinter(pump, isJSON: isJSON)
        timer = TimerHandle(on: loop)
    }

    /// True while a thread reads or writes, which cannot be interrupted.
    var isBusy: Bool { sender?.isReading == true || pump.isWriting }

    /// - Parameter last: the bytes of former output that are printed first.
    func start(last: UInt64, completion: @escaping (End) -> Void) {
        self.completion = completion
        // The end of the output is asked for before any line is sent.
        session.status { [self] result in
            switch result {
            case .failure(let error): end(.failed(error))
            case .success(let status):
                if let output = status.output {
                    follow(output, last: last, status.epoch)
                } else {
                    Output.error("session \(status.session) keeps no output; nothing that it writes can be shown")
                }
                send()
            }
        }
    }

    private func follow(_ output: SessionStatus.Streams<KeptRange>, last: UInt64, _ epoch: String) {
        func start(_ kept: KeptRange) -> UInt64 { kept.end - min(last, kept.end - kept.start) }
        let read = session.read(
            ChildStream.allCases, from: .offsets([.out: start(output.out), .err: start(output.err)], epoch: epoch),
            follows: true,
            onBytes: { [self] stream, offset, bytes in
                printer.print(stream, offset, bytes)
                if isInputAtEnd { waitForQuiet() }
            },
            onEvent: { [self] in tell($0) })
        self.read = read
        pump.onFlow = { $0 ? read.resume() : read.pause() }
        pump.onFailure = { [self] in
            pump.reportLoss()
            end(.noReader)
        }
        readers = ReaderWatch(on: loop) { [self] in end(.noReader) }
    }

    private func send() {
        if Terminal.isTerminal(0), Terminal.isTerminal(2) {
            Output.error("attached to session \(session.id); Ctrl-D detaches")
        }
        let sender = StreamSender(
            nil, to: session, of: manager, on: loop, timeout: nil,
            maximumLineLength: KeeperConstants.defaultMaximumLineLength
        ) { [self] outcome, _, _ in sent(outcome) }
        self.sender = sender
        sender.start()
    }

    private func sent(_ outcome: SendOutcome) {
        switch outcome {
        case .written where endsInput, .sent where endsInput:
            waitForEnd()
            session.endInput { [self] result in
                // A keeper that ends its session stays for a moment.
                guard case .failure(let error) = result, error != .sessionEnded(session.id) else { return }
                if manager.mayBeAlive(session.id) { end(.failed(error)) }
            }
        case .written, .sent:
            isInputAtEnd = true
            waitForEnd()
            waitForQuiet()
        case .refused(.sessionEnded): waitForEnd()
        case .refused, .unknown: end(.notSent(outcome))
        }
    }

    /// Waits for the end of the session. If there is a read, that reports the end, after all output before it.
    private func waitForEnd() {
        if read == nil { session.onEnd = { [self] in end(.sessionEnded($0)) } }
    }

    private func waitForQuiet() {
        timer.start(after: quiet) { [self] _ in end(.detached) }
    }

    private func tell(_ event: OutputEvent) {
        switch event {
        case .gap(let stream, let range): printer.gap(stream, range)
        case .finished: break
        case .ended(let exit): end(.sessionEnded(exit))
        case .failed(let error): end(.failed(error))
        }
    }

    private func end(_ end: End) {
        guard let completion = completion.take() else { return }
        timer.close()
        readers?.close()
        read?.cancel()
        sender?.cancel()
        session.onEnd = nil
        printer.finish()
        // If there is no reader, the rest of the output need not be written.
        if case .noReader = end { return completion(end) }
        pump.finish { completion(end) }
    }
}
