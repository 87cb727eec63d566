public import KeeperProtocol
public import UVKeeper
public import UVLoop
internal import UVLoopAsync

/// A session, alive or not, for tasks: its lines, its output, its state and its end. The value is just a name: any
/// number may be made.
public struct KeptSession: Sendable {
    /// The session's name.
    public let id: SessionID
    /// The sessions of its directory.
    public let keepers: Keepers

    // MARK: Lines

    /// Writes a line to the child's stdin, and returns its outcome: ``/UVKeeper/WriteOutcome/written`` when the child's
    /// pipe has it. Lines arrive in the order of the calls, each once as long as keeper and child live.
    ///
    /// If the task is canceled, a line of which no byte was sent is taken back: the outcome is refused, with
    /// ``/UVKeeper/KeeperError/withdrawn``. Otherwise the outcome is the keeper's.
    ///
    /// - Parameters:
    ///   - line: any bytes; a newline is added if the last byte is none.
    ///   - deadline: the time that the line may wait for its keeper.
    @discardableResult
    public func write(_ line: [UInt8], deadline: WriteDeadline = .attempts) async -> WriteOutcome {
        await keepers.write([line], to: id, deadline)[0]
    }

    /// Writes one line, as above.
    @discardableResult
    public func write(_ line: String, deadline: WriteDeadline = .attempts) async -> WriteOutcome {
        await write(Array(line.utf8), deadline: deadline)
    }

    /// Writes lines, each as above, and returns the outcome of each in the same order, once all have theirs. The loop is
    /// asked once for all of them.
    @discardableResult
    public func write(lines: [[UInt8]], deadline: WriteDeadline = .attempts) async -> [WriteOutcome] {
        await keepers.write(lines, to: id, deadline)
    }

    /// Introduces the writer, for a host with a journal; see
    /// ``/UVKeeper/Session/resumeWriting(epoch:last:completion:)``.
    public func resumeWriting(epoch: String?, last: UInt64) async throws(KeeperError) -> WriterPosition {
        try await keepers.ask(id) { $0.resumeWriting(epoch: epoch, last: last, completion: $1) }
    }

    // MARK: Output

    /// The child's output, if the session keeps it; also that of an ended session. For one task at a time.
    ///
    /// - Parameters:
    ///   - start: the place at which reading begins.
    ///   - streams: the streams to read; the order between two streams is not kept.
    ///   - follows: true if later output is wanted too, until the session ends.
    public func output(
        from start: OutputStart = .end, streams: [ChildStream] = [.out], follows: Bool = true,
    ) -> KeptOutput {
        KeptOutput(session: self, start: start, streams: streams, follows: follows)
    }

    /// The lines of one stream of the child's output, each with its offset.
    ///
    /// - Parameters:
    ///   - start: the place at which reading begins; within a line, the rest of that line comes first.
    ///   - stream: the stream to read.
    ///   - follows: true if later lines are wanted too, until the session ends.
    ///   - longest: the longest line in bytes, newline included; a longer line comes in pieces.
    public func lines(
        from start: OutputStart = .end, of stream: ChildStream = .out, follows: Bool = true, longest: Int = 1 << 24,
    ) -> KeptLines {
        KeptLines(output: output(from: start, streams: [stream], follows: follows), longest: longest)
    }

    /// Asks the child a question, a JSON-RPC request, and returns the line with its answer: the next message with that
    /// id on stdout. Any number of questions may be asked at a time, each with an id of its own. The session must keep
    /// its output.
    ///
    /// - Parameters:
    ///   - message: a JSON object with an `id`, on one line.
    ///   - time: the longest time until the answer.
    /// - Throws: ``RequestError``.
    public func request(_ message: [UInt8], within time: Duration = .seconds(60)) async throws(RequestError) -> KeptLine
    {
        try await keepers.request(message, of: id, within: time)
    }

    /// Asks the child a question, as above.
    public func request(_ message: String, within time: Duration = .seconds(60)) async throws(RequestError) -> KeptLine
    {
        try await request(Array(message.utf8), within: time)
    }

    // MARK: State
    //
    // A canceled task gets ``/UVKeeper/KeeperError/closed``; the keeper may still have served the request.

    /// The present state of the session.
    public func status() async throws(KeeperError) -> SessionStatus { try await keepers.ask(id) { $0.status($1) } }

    /// The session's record: what it is, and how it ended. Nil if there is none.
    public func record() async -> SessionRecord? { await keepers.record(of: id) }

    /// Closes the child's stdin after all lines taken so far.
    public func endInput() async throws(KeeperError) { try await keepers.ask(id) { $0.endInput($1) } }

    /// Sends a signal to the child alone.
    public func signal(_ signal: Signal) async throws(KeeperError) {
        try await keepers.ask(id) { $0.signal(signal, $1) }
    }

    /// Sets labels, and removes those that are nil.
    public func label(_ labels: [String: String?]) async throws(KeeperError) {
        try await keepers.ask(id) { $0.label(labels, $1) }
    }

    // MARK: Its end

    /// Ends the session for good, in the steps of the ladder, and waits for its end, even if the task is canceled
    /// meanwhile: a session is not left half stopped.
    @discardableResult
    public func stop(_ ladder: StopLadder = .keepers) async -> StoppedSession { await keepers.stop(id, ladder) }

    /// Waits for the end of the session; returns at once, with the exit in its record, if it has ended. Nil if it is
    /// not known how.
    ///
    /// - Throws: `CancellationError` if the task is canceled.
    public func wait() async throws -> SessionExit? { try await keepers.wait(for: id) }
}

/// The outcome of a stop.
public struct StoppedSession: Sendable {
    /// The result for the session.
    public let result: KeeperManager.StopResult
    /// The end of the session; nil if it is not known.
    public let exit: SessionExit?
}

extension Keepers {
    func ask<Value: Sendable>(
        _ id: SessionID,
        _ question: (Session, @escaping (Result<Value, KeeperError>) -> Void) -> Void,
    ) async throws(KeeperError) -> Value {
        try await once { manager, end in question(manager.session(id)) { end.end($0) } }
    }

    func record(of id: SessionID) -> SessionRecord? { SessionRecord(at: manager.paths.record(for: id)) }

    func write(_ lines: [[UInt8]], to id: SessionID, _ deadline: WriteDeadline) async -> [WriteOutcome] {
        guard !lines.isEmpty else { return [] }
        let start = SystemClock.monotonicTime
        let first = lastTicket + 1
        lastTicket += UInt64(lines.count)
        let numbers = first...lastTicket
        let result: Result<[WriteOutcome], KeeperError> = await result(canceled: .withdrawn) { continuation in
            guard !isClosed, !isFinishing else { return continuation.resume(returning: .failure(.closed)) }
            let outcomes = Outcomes(of: lines.count)
            let session = manager.session(id)
            for (number, line) in zip(numbers, lines) {
                tickets[number] = session.write(line, deadline: deadline) { [weak self, onMeasurement] outcome in
                    onMeasurement?(.line(outcome, after: SystemClock.monotonicTime - start))
                    self?.assumeIsolated { $0.hasOutcome(number) }
                    guard let all = outcomes.add(outcome, at: Int(number - first)) else { return }
                    continuation.resume(returning: .success(all))
                }
            }
        } onCancel: {
            for number in numbers {
                if let ticket = $0.tickets[number] { $0.manager.session(id).withdraw(ticket) }
            }
        }
        switch result {
        case .success(let outcomes): return outcomes
        case .failure(let error):
            let outcome = WriteOutcome.refused(error)
            for _ in lines { onMeasurement?(.line(outcome, after: SystemClock.monotonicTime - start)) }
            return lines.map { _ in outcome }
        }
    }

    /// The outcomes of lines that were written together.
    private final class Outcomes {
        private var outcomes: [WriteOutcome?]
        private var left: Int

        init(of count: Int) {
            outcomes = Array(repeating: nil, count: count)
            left = count
        }

        /// Adds an outcome; returns all of them with the last one.
        func add(_ outcome: WriteOutcome, at index: Int) -> [WriteOutcome]? {
            outcomes[index] = outcome
            left -= 1
            return left == 0 ? outcomes.compactMap { $0 } : nil
        }
    }

    private func hasOutcome(_ ticket: UInt64) {
        tickets[ticket] = nil
        tellSettled()
    }

    func stop(_ id: SessionID, _ ladder: StopLadder) async -> StoppedSession {
        await withUnsafeContinuation { continuation in
            guard !isClosed else {
                return continuation.resume(returning: StoppedSession(result: .closed, exit: nil))
            }
            manager.session(id).stop(ladder) { result, exit in
                continuation.resume(returning: StoppedSession(result: result, exit: exit))
            }
        }
    }
}
