public import KeeperProtocol
public import UVKeeper
public import UVLoop
internal import UVLoopAsync

/// One session, alive or not, for tasks: its lines, its output, its state and its end. A name and nothing more: any number
/// may be made.
public struct KeptSession: Sendable {
    /// The session's name.
    public let id: SessionID
    /// Its directory's sessions.
    public let keepers: Keepers

    // MARK: Lines

    /// Writes one line to the child's stdin, and says what became of it: ``/UVKeeper/WriteOutcome/written`` when the
    /// child's pipe has it. Lines arrive in the order of the calls, each once as long as keeper and child live.
    ///
    /// If the task is canceled, the line is taken back if nothing of it has left: the outcome is refused, with
    /// ``/UVKeeper/KeeperError/withdrawn``. Else it is what the keeper says.
    ///
    /// - Parameters:
    ///   - line: any bytes; a newline is added if the last is none.
    ///   - deadline: how long it may wait for its keeper.
    @discardableResult
    public func write(_ line: [UInt8], deadline: WriteDeadline = .attempts) async -> WriteOutcome {
        await keepers.write(line, to: id, deadline)
    }

    /// Writes one line, as above.
    @discardableResult
    public func write(_ line: String, deadline: WriteDeadline = .attempts) async -> WriteOutcome {
        await write(Array(line.utf8), deadline: deadline)
    }

    /// Says who writes, for a host with a journal; see ``/UVKeeper/Session/resumeWriting(epoch:last:completion:)``.
    public func resumeWriting(epoch: String?, last: UInt64) async throws(KeeperError) -> WriterPosition {
        try await keepers.ask(id) { $0.resumeWriting(epoch: epoch, last: last, completion: $1) }
    }

    // MARK: Output

    /// The child's output, if the session keeps it; of a session that has ended, too. For one task at a time.
    ///
    /// - Parameters:
    ///   - start: where it begins.
    ///   - streams: those that are read; the order between two is not kept.
    ///   - follows: true if what comes later is wanted too, until the session ends.
    public func output(
        from start: OutputStart = .end, streams: [ChildStream] = [.out], follows: Bool = true,
    ) -> KeptOutput {
        KeptOutput(session: self, start: start, streams: streams, follows: follows)
    }

    /// The lines of one stream of the child's output, each with its offset.
    ///
    /// - Parameters:
    ///   - start: where it begins; in the middle of a line, with the rest of that.
    ///   - stream: which one.
    ///   - follows: true if what comes later is wanted too, until the session ends.
    ///   - longest: in bytes, newline included; a longer line comes in pieces.
    public func lines(
        from start: OutputStart = .end, of stream: ChildStream = .out, follows: Bool = true, longest: Int = 1 << 24,
    ) -> KeptLines {
        KeptLines(output: output(from: start, streams: [stream], follows: follows), longest: longest)
    }

    /// Asks the child one question, a JSON-RPC request, and returns the line with its answer: the next message of that id on
    /// stdout. Any number may be asked at a time, each with an id of its own. The session must keep its output.
    ///
    /// - Parameters:
    ///   - message: a JSON object with an `id`, on one line.
    ///   - time: how long the answer may take.
    /// - Throws: ``RequestError``.
    public func request(_ message: [UInt8], within time: Duration = .seconds(60)) async throws(RequestError) -> KeptLine
    {
        try await keepers.request(message, of: id, within: time)
    }

    /// Asks the child one question, as above.
    public func request(_ message: String, within time: Duration = .seconds(60)) async throws(RequestError) -> KeptLine
    {
        try await request(Array(message.utf8), within: time)
    }

    // MARK: State
    //
    // A canceled task gets ``/UVKeeper/KeeperError/closed``; what was asked of the keeper may have been done.

    /// What is going on in it.
    public func status() async throws(KeeperError) -> SessionStatus { try await keepers.ask(id) { $0.status($1) } }

    /// Its record: what it is, and how it has ended. Nil if there is none.
    public func record() async -> SessionRecord? { await keepers.record(of: id) }

    /// Closes the child's stdin after everything that was taken so far.
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

    /// Ends the session for good, in the steps of the ladder, and waits for it, also if the task is canceled meanwhile: a
    /// session is not left half stopped.
    @discardableResult
    public func stop(_ ladder: StopLadder = .keepers) async -> StoppedSession { await keepers.stop(id, ladder) }

    /// Waits for its end; returns at once, with what the record says, if it has ended. Nil if nobody knows how.
    ///
    /// - Throws: `CancellationError` if the task is canceled.
    public func wait() async throws -> SessionExit? { try await keepers.wait(for: id) }
}

/// The outcome of a stop.
public struct StoppedSession: Sendable {
    /// What has become of the session.
    public let result: KeeperManager.StopResult
    /// How it ended; nil if that is not known.
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

    func write(_ line: [UInt8], to id: SessionID, _ deadline: WriteDeadline) async -> WriteOutcome {
        let start = SystemClock.monotonicTime
        lastTicket += 1
        let number = lastTicket
        let result: Result<WriteOutcome, KeeperError> = await result(canceled: .withdrawn) { continuation in
            guard !isClosed, !isFinishing else { return continuation.resume(returning: .failure(.closed)) }
            tickets[number] = manager.session(id).write(line, deadline: deadline) { [weak self] outcome in
                self?.assumeIsolated { $0.hasOutcome(number) }
                continuation.resume(returning: .success(outcome))
            }
        } onCancel: {
            if let ticket = $0.tickets[number] { $0.manager.session(id).withdraw(ticket) }
        }
        let outcome: WriteOutcome =
            switch result {
            case .success(let outcome): outcome
            case .failure(let error): .refused(error)
            }
        onMeasurement?(.line(outcome, after: SystemClock.monotonicTime - start))
        return outcome
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
