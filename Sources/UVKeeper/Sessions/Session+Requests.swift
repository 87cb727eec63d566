public import KeeperProtocol
public import UVLoop

/// The requests to a session. Each answer comes once, on a later tick, within five seconds; a keeper without a channel
/// cannot be asked, and the error says so (``KeeperError/noChannel(_:_:)``).
extension Session {
    /// Asks for the present state of the session.
    public func status(_ completion: @escaping (Result<SessionStatus, KeeperError>) -> Void) {
        ask(.status) { message in
            if case .status(let status) = message { status } else { nil }
        } completion: {
            completion($0)
        }
    }

    /// Closes the child's stdin after all lines taken so far; later lines are refused, whoever sends them.
    public func endInput(_ completion: @escaping (Result<Void, KeeperError>) -> Void = { _ in }) {
        askFor(.endInput, completion)
    }

    /// Sends a signal to the child alone: interrupt, terminate, hangUp, user1, user2, quit, kill, continue or stop.
    public func signal(_ signal: Signal, _ completion: @escaping (Result<Void, KeeperError>) -> Void = { _ in }) {
        askFor(.signal(signal), completion)
    }

    /// Sets labels, and removes those that are nil; the last value of a name counts. A dictionary may take two names
    /// for one that `SessionLabels` tells apart; `KeyValuePairs` does not.
    public func label(
        _ labels: some Sequence<(key: String, value: String?)>,
        _ completion: @escaping (Result<Void, KeeperError>) -> Void = { _ in },
    ) {
        let changes = Dictionary(labels.map { (ByteText($0.key), $0.value) }) { $1 }
        let members = changes.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key.text, JSONValue($0.value)) }
        askFor(.label(members), completion)
    }

    /// Ends the session for good, as ``KeeperManager/stop(_:ladder:completion:)-(SessionID,_,_)`` does; `completion`
    /// gets the result, and how the session ended if that is known.
    public func stop(
        _ ladder: StopLadder = .keepers,
        _ completion: @escaping (_ result: KeeperManager.StopResult, _ exit: SessionExit?) -> Void = { _, _ in },
    ) {
        loop.preconditionOnThread()
        guard let manager else { return loop.onNextTick { completion(.closed, nil) } }
        var keeper: Int32?
        if case .live(let pid) = KeeperInspection.finding(id, paths: paths) { keeper = pid }
        let isMeant = SessionRecord.recognizer(of: id, in: paths, keptBy: keeper, now: record)
        manager.stop(id, ladder: ladder) { [self] result in
            completion(result, record.flatMap { isMeant($0) ? $0.exit : nil })
        }
    }

    /// The session's record, read now: what the session is, and how it ended. Nil if there is none, and while a keeper
    /// that starts has not written its own: a former life's record says nothing of it.
    public var record: SessionRecord? {
        guard case .live(let process?) = KeeperInspection.finding(id, paths: paths) else {
            return SessionRecord(at: paths.record(for: id))
        }
        return SessionRecord(of: id, keptBy: process, in: paths)
    }

    private func askFor(_ request: ChannelRequest, _ completion: @escaping (Result<Void, KeeperError>) -> Void) {
        ask(request) { message in
            if case .ok = message { () } else { nil }
        } completion: {
            completion($0)
        }
    }

    private func ask<Value>(
        _ request: ChannelRequest, _ value: @escaping (ChannelMessage) -> Value?,
        completion: @escaping (Result<Value, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        do throws(KeeperError) {
            guard manager != nil else { throw .closed }
            try KeeperManager.check(paths)
        } catch {
            return loop.onNextTick { completion(.failure(error)) }
        }
        control.ask(request) { [id] result in
            completion(
                result.flatMap { message in
                    value(message).map { .success($0) }
                        ?? .failure(.malformedMessage(id, "another answer than the one to \(request.verb.rawValue)"))
                })
        }
    }
}
