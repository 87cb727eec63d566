internal import KeeperProtocol
internal import UVKeeper
internal import UVLoop
internal import UVLoopAsync

/// The questions to a session that wait for their answers. A single read of the output serves all of them; it begins at
/// the end of stdout from before the first question was sent, and ends when no question waits. Used on the loop's
/// thread.
final class Requests {
    private struct Question {
        let number: UInt64
        let timer: TimerHandle
        let continuation: UnsafeContinuation<Result<KeptLine, RequestError>, Never>
        var ticket: Session.Ticket?
    }

    private enum State {
        case idle
        /// The session was asked for the end of its stdout.
        case asking
        case reading(OutputRead)
    }

    private let session: Session
    private let loop: Loop
    private var state = State.idle
    private var questions: [MessageHead.ID: Question] = [:]
    private var unsent: [(number: UInt64, id: MessageHead.ID, line: [UInt8], time: Duration)] = []
    private var cutter = LineCutter(longest: 1 << 28)
    /// Called when no question waits any more.
    private let onRest: () -> Void

    init(_ session: Session, on loop: Loop, onRest: @escaping () -> Void) {
        self.session = session
        self.loop = loop
        self.onRest = onRest
    }

    /// A message as a line without its newline, and its id; nil if it cannot be asked.
    static func question(_ message: [UInt8]) -> (line: [UInt8], id: MessageHead.ID)? {
        let line = message.last == UInt8(ascii: "\n") ? Array(message.dropLast()) : message
        guard let id = MessageHead(line)?.id, !line.contains(UInt8(ascii: "\n")) else { return nil }
        return (line, id)
    }

    /// Asks a question. The continuation is resumed once.
    ///
    /// - Parameter number: the question's own, by which it can be canceled.
    func ask(
        _ line: [UInt8], _ id: MessageHead.ID, within time: Duration, _ number: UInt64,
        _ continuation: UnsafeContinuation<Result<KeptLine, RequestError>, Never>,
    ) {
        guard questions[id] == nil else {
            return continuation.resume(returning: .failure(.idInUse))
        }
        let timer = TimerHandle(on: loop)
        questions[id] = Question(number: number, timer: timer, continuation: continuation)
        timer.onCanceled = { [weak self] in self?.end(id, number, .failure(.canceled)) }
        timer.start(after: time) { [weak self] _ in self?.timedOut(id, number, time) }
        switch state {
        case .idle:
            unsent.append((number, id, line, time))
            begin()
        case .asking: unsent.append((number, id, line, time))
        case .reading: send(number, id, line, time)
        }
    }

    func cancel(_ number: UInt64) {
        guard let (id, question) = questions.first(where: { $0.value.number == number }) else { return }
        if let ticket = question.ticket { session.withdraw(ticket) }
        end(id, number, .failure(.canceled))
    }

    func close() { endAll(.canceled) }

    // MARK: The read

    private func begin() {
        state = .asking
        session.status { [weak self] result in
            guard let self, case .asking = state else { return }
            switch result {
            case .failure(.sessionEnded): endAll(.sessionEnded(session.record?.exit))
            case .failure(let error): endAll(.unreadable(error))
            case .success(let status):
                guard let output = status.output else { return endAll(.noOutput) }
                read(from: output.out.end, epoch: status.epoch)
            }
        }
    }

    private func read(from offset: UInt64, epoch: String) {
        cutter = LineCutter(longest: 1 << 28)
        state = .reading(
            session.read(
                [.out], from: .offsets([.out: offset], epoch: epoch),
                onBytes: { [weak self] _, offset, bytes in
                    self?.received(bytes.withUnsafeBytes { [UInt8]($0) }, at: offset)
                },
                onEvent: { [weak self] event in
                    switch event {
                    case .gap: self?.endAll(.outputLost)
                    case .ended(let exit): self?.endAll(.sessionEnded(exit))
                    case .failed(let error): self?.endAll(.unreadable(error))
                    case .finished: break
                    }
                }))
        let lines = unsent
        unsent = []
        for (number, id, line, time) in lines { send(number, id, line, time) }
    }

    private func send(_ number: UInt64, _ id: MessageHead.ID, _ line: [UInt8], _ time: Duration) {
        // Another question may have its id by now, if it has ended meanwhile.
        guard questions[id]?.number == number else { return }
        questions[id]?.ticket = session.write(line, deadline: .within(time)) { [weak self] outcome in
            switch outcome {
            case .written, .sent: break
            // The read reports how the session ended.
            case .refused(.sessionEnded): break
            case .refused, .unknown: self?.end(id, number, .failure(.notWritten(outcome)))
            }
        }
    }

    private func received(_ bytes: [UInt8], at offset: UInt64) {
        cutter.append(bytes, at: offset)
        while let line = cutter.take() {
            guard let head = MessageHead(line.bytes), head.isAnswer, let id = head.id,
                let number = questions[id]?.number
            else { continue }
            end(id, number, .success(line))
        }
    }

    // MARK: Ends

    private func timedOut(_ id: MessageHead.ID, _ number: UInt64, _ time: Duration) {
        // A line that can still be taken back was not written, which says more than the time.
        let isTakenBack = questions[id]?.ticket.map { session.withdraw($0) } ?? true
        end(id, number, .failure(isTakenBack ? .notWritten(.refused(.timedOut(time))) : .timedOut(time)))
    }

    private func end(_ id: MessageHead.ID, _ number: UInt64, _ result: Result<KeptLine, RequestError>) {
        guard let question = questions[id], question.number == number else { return }
        questions[id] = nil
        question.timer.close()
        if questions.isEmpty { rest() }
        question.continuation.resume(returning: result)
    }

    private func endAll(_ error: RequestError) {
        let waiting = questions
        questions = [:]
        rest()
        for question in waiting.values {
            question.timer.close()
            question.continuation.resume(returning: .failure(error))
        }
    }

    private func rest() {
        unsent = []
        if case .reading(let read) = state { read.cancel() }
        state = .idle
        onRest()
    }
}

extension Keepers {
    func request(_ message: [UInt8], of id: SessionID, within time: Duration) async throws(RequestError) -> KeptLine {
        let start = SystemClock.monotonicTime
        let number = nextQuestion()
        do throws(RequestError) {
            let answer = try await wait(canceled: .canceled) {
                ask(message, of: id, within: time, number, $0)
            } onCancel: {
                $0.cancelQuestion(number, to: id)
            }
            onMeasurement?(.answer(nil, after: SystemClock.monotonicTime - start))
            return answer
        } catch {
            onMeasurement?(.answer(error, after: SystemClock.monotonicTime - start))
            throw error
        }
    }

    private func ask(
        _ message: [UInt8], of id: SessionID, within time: Duration, _ number: UInt64,
        _ continuation: UnsafeContinuation<Result<KeptLine, RequestError>, Never>,
    ) {
        guard !isClosed, !isFinishing else { return continuation.resume(returning: .failure(.canceled)) }
        guard let question = Requests.question(message) else {
            return continuation.resume(returning: .failure(.notARequest))
        }
        requests(of: id).ask(question.line, question.id, within: time, number, continuation)
    }
}
