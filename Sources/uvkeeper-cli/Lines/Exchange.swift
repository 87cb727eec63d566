import KeeperProtocol
import UVKeeper

/// A line to a session's child, and the child's answer.
///
/// The keeper tells the end of stdout before the line is sent, and the read begins there, so that even the fastest
/// answer is not missed.
final class Exchange {
    enum Outcome {
        /// A line of stdout, without its newline, and its offset.
        case answered([UInt8], offset: UInt64, isError: Bool)
        /// The line was refused, or may not have arrived.
        case notSent(SendOutcome)
        case sessionEnded(SessionExit?)
        /// The keeper cannot be asked, or its output not be read.
        case unreadable(KeeperError)
        case noOutput
        /// The line is in the child's stdin, but no answer came in time; so many bytes of stdout were gone before they
        /// could be read.
        case noAnswer(lostByteCount: UInt64)
    }

    /// The longest answer, in bytes; a longer line without an end is given up.
    private static let longestAnswer = 1 << 28

    private let line: [UInt8]
    private let session: Session
    private let manager: KeeperManager
    private let id: AnswerID?
    private let timeout: Duration
    private let timer: TimerHandle
    private var read: OutputRead?
    private var ticket: Session.Ticket?
    private var isWritten = false
    private var cutter = LineCutter(longest: Exchange.longestAnswer)
    /// True after a gap until the next line begins: the first bytes are the rest of a line.
    private var isTorn = false
    private var lostByteCount: UInt64 = 0
    private var completion: ((Outcome) -> Void)?

    /// - Parameter id: the id of the JSON-RPC answer; nil: the next line is the answer.
    init(
        _ line: [UInt8], with session: Session, of manager: KeeperManager, id: AnswerID?, timeout: Duration,
        on loop: Loop,
    ) {
        self.line = line
        self.session = session
        self.manager = manager
        self.id = id
        self.timeout = timeout
        timer = TimerHandle(on: loop)
    }

    /// Sends the line. `completion` runs once, on a later tick.
    func start(_ completion: @escaping (Outcome) -> Void) {
        self.completion = completion
        timer.start(after: timeout) { [self] _ in timedOut() }
        session.status { [self] result in
            switch result {
            case .failure(let error): end(.unreadable(error))
            case .success(let status):
                guard let output = status.output else { return end(.noOutput) }
                begin(at: output.out.end, epoch: status.epoch)
            }
        }
    }

    private func begin(at offset: UInt64, epoch: String) {
        guard completion != nil else { return }
        read = session.read(
            [.out], from: .offsets([.out: offset], epoch: epoch), follows: true,
            onBytes: { [self] in received($1, $2) },
            onEvent: { [self] in tell($0) })
        ticket = session.write(line, deadline: .within(timeout)) { [self] outcome in
            switch outcome {
            case .written: isWritten = true
            // The keeper cannot say more: if no answer comes, nobody knows whether the line arrived.
            case .sent: break
            case .refused(.sessionEnded):
                // The read reports how the session ended.
                break
            case .refused, .unknown: end(.notSent(SendOutcome(outcome)))
            }
        }
    }

    private func received(_ offset: UInt64, _ bytes: RawSpan) {
        cutter.append(bytes.withUnsafeBytes { Array($0) }, at: offset)
        while completion != nil, let line = cutter.take() {
            let isWhole = !isTorn
            isTorn = false
            // The piece is part of a line longer than any answer may be.
            guard line.end > line.offset + UInt64(line.bytes.count) else {
                return end(.unreadable(.lineTooLong(line.bytes.count, maximum: Exchange.longestAnswer)))
            }
            if isWhole { look(at: line) }
        }
    }

    private func look(at line: KeptLine) {
        guard let id else { return end(.answered(line.bytes, offset: line.offset, isError: false)) }
        guard let isError = id.isError(answeredBy: line.bytes) else { return }
        end(.answered(line.bytes, offset: line.offset, isError: isError))
    }

    private func tell(_ event: OutputEvent) {
        switch event {
        case .gap(_, let range):
            // The unfinished line is of no use.
            cutter = LineCutter(longest: Exchange.longestAnswer)
            isTorn = true
            lostByteCount += UInt64(range.count)
        case .ended(let exit): end(.sessionEnded(exit))
        case .finished: break
        case .failed(let error): end(.unreadable(error))
        }
    }

    private func timedOut() {
        if isWritten { return end(.noAnswer(lostByteCount: lostByteCount)) }
        let isRefused = ticket.map { session.withdraw($0) } ?? true
        end(.notSent(isRefused ? .refused(.keeper(.timedOut(timeout))) : .unknown(.keeper(.timedOut(timeout)))))
    }

    private func end(_ outcome: Outcome) {
        guard let completion = completion.take() else { return }
        timer.close()
        read?.cancel()
        completion(outcome)
    }
}
