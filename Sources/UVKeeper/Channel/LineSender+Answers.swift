internal import KeeperProtocol
internal import UVLoop

/// Who writes, what the keeper says about lines, and what follows from a connection that has failed.
extension LineSender {
    /// Says who writes before there is anything to write.
    func resume(
        epoch: String?, last: UInt64, _ completion: @escaping (Result<WriterPosition, KeeperError>) -> Void,
    ) {
        if case .open(let connection) = state, let hello = connection.hello {
            guard epoch == nil || epoch == hello.epoch else {
                return loop.onNextTick { [session] in completion(.failure(.sessionBeganAnew(session))) }
            }
            // After a refusal the connection may have been made again before the host has asked.
            writer.refusal = nil
            let position = WriterPosition(epoch: hello.epoch, last: writer.last, acknowledged: writer.acknowledged)
            return loop.onNextTick { completion(.success(position)) }
        }
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        guard onPosition == nil, lineCount == 0 else { trap("Session.resumeWriting: lines wait already") }
        writer.refusal = nil
        writer.epoch = epoch
        writer.last = last
        onPosition = completion
        if case .idle = state { attempt() }
    }

    func received(_ message: ChannelMessage) {
        switch message {
        case .writer(_, let last, let acknowledged): introduced(last, acknowledged)
        case .acknowledged(let sequence):
            writer.acknowledged = sequence
            complete(sent.take(upTo: sequence), .written)
        case .error(let error): refused(error)
        case .exit(let exit): ended(exit)
        case .hello, .reading, .output, .gap, .end, .status, .ok, .pong: break
        }
    }

    /// The keeper knows who writes, and how far its lines have come.
    private func introduced(_ last: UInt64, _ acknowledged: UInt64) {
        guard case .connecting(let connection) = state, let hello = connection.hello else { return }
        state = .open(connection)
        failures = 0
        writer.epoch = hello.epoch
        // Without lines of which it may not know, the keeper's count is the only one.
        writer.last = sent.isEmpty ? last : max(writer.last, last)
        writer.acknowledged = acknowledged
        if let told = onPosition.take() {
            told(.success(WriterPosition(epoch: hello.epoch, last: last, acknowledged: acknowledged)))
        }
        complete(sent.take(upTo: acknowledged), .written)
        // Only what was not taken, under its number.
        var again: [UInt8] = []
        for line in sent.all where line.sequence > last { line.append(to: &again) }
        if !again.isEmpty { connection.send(again) }
        flush()
    }

    private func refused(_ error: ChannelError) {
        let reason = KeeperError.channel(session, error.code.rawValue, error.text)
        switch error.code {
        case .inputClosed:
            // None of these is whole in the child's pipe.
            let lost = sent.takeAll()
            let first = error.sequence ?? 0
            complete(lost.filter { $0.sequence < first }, .unknown(reason))
            complete(lost.filter { $0.sequence >= first }, .refused(.inputClosed(session)))
            complete(unsent.takeAll(), .refused(.inputClosed(session)))
            writer.last = max(first, 1) - 1
        case .writerReplaced:
            writer.refusal = .writerReplaced(session, "\(writer.name)")
            disconnect()
            complete(sent.takeAll(), .unknown(.writerReplaced(session, "\(writer.name)")))
            complete(unsent.takeAll(), .refused(.writerReplaced(session, "\(writer.name)")))
        case .epoch, .writerForgotten:
            // What was sent, was sent to another life of the session.
            disconnect()
            let lost = sent.takeAll()
            writer.epoch = nil
            writer.last = 0
            if writer.isHosts { writer.refusal = .sessionBeganAnew(session) }
            let told = onPosition.take()
            let held = writer.isHosts ? unsent.takeAll() : []
            retry()
            complete(lost, .unknown(.sessionBeganAnew(session)))
            complete(held, .refused(.sessionBeganAnew(session)))
            // Last: the host may ask again at once.
            told?(.failure(.sessionBeganAnew(session)))
        case .busy, .grammar, .tooLong, .sequence, .unknownVerb, .noOutput, .argument, .notPermitted:
            let told = onPosition.take()
            disconnect()
            let lost = sent.takeAll()
            let failed = unsent.failAttempt()
            failures += 1
            retry()
            complete(lost, .unknown(reason))
            complete(failed, .refused(reason))
            told?(.failure(reason))
        }
    }

    private func disconnect() {
        switch state {
        case .connecting(let connection), .open(let connection): connection.close()
        case .idle, .pausing, .closed: break
        }
        state = .idle
    }

    /// The session has ended: the last acknowledgement has come, so what is above it did not get whole into the pipe.
    private func ended(_ exit: SessionExit) {
        disconnect()
        writer.endEpoch()
        let lost = sent.takeAll()
        let (now, later) = unsent.takeAll().reduce(into: ([SentLine](), [SentLine]())) { result, line in
            // Another keeper may be about to start.
            if line.deadline == .untilSessionEnds { result.0.append(line) } else { result.1.append(line) }
        }
        for line in later { unsent.append(line) }
        failures += 1
        retry()
        complete(lost, .refused(.sessionEnded(session)))
        complete(now, .refused(.sessionEnded(session)))
    }

    /// An attempt, or a connection, has failed.
    func attemptFailed(_ error: KeeperError) {
        if case .closed = state { return }
        state = .idle
        // The record of a session that has ended tells what became of its lines.
        if !sent.isEmpty, let exit = LineSender.exit(of: session, in: paths, epoch: writer.epoch) {
            let acknowledged = exit.writers.first { $0.name == writer.name.rawValue }?.acknowledged
            let isTold = acknowledged != nil
            let written = sent.take(upTo: acknowledged ?? 0)
            let lost = sent.takeAll()
            writer.endEpoch()
            complete(written, .written)
            complete(lost, isTold ? .refused(.sessionEnded(session)) : .unknown(.sessionEnded(session)))
        }
        let reason = LineSender.explained(error, paths.socket(for: session))
        let isFinal = LineSender.isConfiguration(error)
        let refused = isFinal ? unsent.takeAll() : unsent.failAttempt()
        // They stay: later numbers need them, and a keeper that comes back may take them.
        let unknown = isFinal ? sent.takeAll() : sent.failSentAttempt()
        let isGone = LineSender.isAbsent(error) && !KeeperInspection.finding(session, paths: paths).mayLive
        let ended = isGone ? unsent.take(where: { $0.deadline == .untilSessionEnds }) : []
        let lost = isGone ? sent.take(where: { $0.deadline != .attempts }) : []
        let told = onPosition.take()
        retry()
        complete(unknown, .unknown(reason))
        complete(lost, .unknown(.sessionEnded(session)))
        complete(refused, .refused(reason))
        complete(ended, .refused(.sessionEnded(session)))
        told?(.failure(reason))
    }

    private static func exit(of session: SessionID, in paths: KeeperPaths, epoch: String?) -> SessionExit? {
        guard let record = SessionRecord(at: paths.record(for: session)), record.epoch == epoch else { return nil }
        return record.exit
    }

    /// The socket that people know.
    private static func explained(_ error: KeeperError, _ path: String) -> KeeperError {
        if case .connection(_, let cause) = error { .connection(path, cause) } else { error }
    }

    private static func isAbsent(_ error: KeeperError) -> Bool {
        switch error {
        case .connection(_, .noEntry), .connection(_, .connectionRefused), .connection(_, .connectionReset): true
        default: false
        }
    }

    /// Errors that no second attempt can mend. A missing or refusing socket is none of them: a keeper may be starting.
    private static func isConfiguration(_ error: KeeperError) -> Bool {
        guard case .connection(_, let error) = error else { return false }
        return SessionQueue.isConfiguration(error)
    }
}
