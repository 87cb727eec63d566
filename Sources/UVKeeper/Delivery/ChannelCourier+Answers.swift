internal import KeeperProtocol
internal import UVLoop

/// What the keeper says about lines, and what follows from a connection that has failed.
extension ChannelCourier {
    func received(_ message: ChannelMessage) {
        switch message {
        case .writer(_, let last, let acknowledged): introduced(last, acknowledged)
        case .acknowledged(let sequence):
            writer.acknowledged = sequence
            queue.complete(upTo: sequence)
        case .error(let error): refused(error)
        case .exit(let exit): ended(exit)
        case .hello, .reading, .output, .gap, .end, .status, .ok, .pong: break
        }
    }

    /// The keeper knows who writes, and how far its lines have come.
    private func introduced(_ last: UInt64, _ acknowledged: UInt64) {
        guard case .connecting(let connection) = state, let hello = connection.hello else { return }
        state = .open(connection)
        queue.failures = 0
        writer.epoch = hello.epoch
        // Without lines of which it may not know, the keeper's count is the only one.
        writer.last = queue.lines.isEmpty(.sent) ? last : max(writer.last, last)
        writer.acknowledged = acknowledged
        if let told = onPosition.take() {
            told(.success(WriterPosition(epoch: hello.epoch, last: last, acknowledged: acknowledged)))
        }
        queue.complete(upTo: acknowledged)
        // Only what was not taken, under its number.
        let again = queue.lines.messages(above: last)
        if !again.isEmpty { connection.send(again) }
        flush()
        if queue.lineCount == 0 { rest() }
    }

    private func refused(_ error: ChannelError) {
        let reason = KeeperError.channel(session, error.code.rawValue, error.text)
        switch error.code {
        case .inputClosed:
            // None of these is whole in the child's pipe.
            let lost = queue.lines.takeAll(.sent)
            let waiting = queue.lines.takeAll(.unsent)
            let first = error.sequence ?? 0
            writer.last = max(first, 1) - 1
            queue.complete(lost.filter { $0.sequence < first }, .unknown(reason))
            queue.complete(lost.filter { $0.sequence >= first }, .refused(.inputClosed(session)))
            queue.complete(waiting, .refused(.inputClosed(session)))
        case .writerReplaced:
            let reason = KeeperError.writerReplaced(session, "\(writer.name)")
            writer.refusal = reason
            giveUp(for: reason, refusesUnsent: true)
        case .epoch, .writerForgotten:
            // What was sent, was sent to another life of the session.
            let reason = KeeperError.sessionBeganAnew(session)
            writer.forget()
            if writer.isHosts { writer.refusal = reason }
            giveUp(for: reason, refusesUnsent: writer.isHosts)
        case .busy, .grammar, .tooLong, .sequence, .unknownVerb, .noOutput, .argument, .notPermitted:
            let told = onPosition.take()
            disconnect()
            queue.attemptFailed(reason, lost: queue.lines.takeAll(.sent))
            told?(.failure(reason))
        }
    }

    /// Drops the connection and what was sent; what was not sent is tried again, or refused.
    private func giveUp(for reason: KeeperError, refusesUnsent: Bool) {
        let told = onPosition.take()
        disconnect()
        let lost = queue.lines.takeAll(.sent)
        let refused = refusesUnsent ? queue.lines.takeAll(.unsent) : []
        queue.failures += 1
        queue.retry()
        queue.complete(lost, .unknown(reason))
        queue.complete(refused, .refused(reason))
        // Last: the host may ask again at once.
        told?(.failure(reason))
    }

    /// The session has ended: the last acknowledgement has come, so what is above it did not get whole into the pipe. If the
    /// keeper has not seen any more who writes, its last word tells of lines that left by an earlier connection.
    private func ended(_ exit: SessionExit) {
        let told = onPosition.take()
        var resolved: (written: [WaitingLine], lost: [WaitingLine], WriteOutcome)?
        if case .connecting(let connection) = state, !queue.lines.isEmpty(.sent) {
            resolved = self.resolved(by: exit, of: connection.hello?.epoch)
        }
        disconnect()
        writer.endEpoch()
        let reason = KeeperError.sessionEnded(session)
        let lost = queue.lines.takeAll(.sent)
        // Another keeper may be about to start for those that have attempts or a time.
        let refused = queue.lines.take(.unsent) { $0.deadline == .untilSessionEnds }
        queue.failures += 1
        queue.retry()
        if let (written, lost, outcome) = resolved {
            queue.complete(written, .written)
            queue.complete(lost, outcome)
        }
        queue.complete(lost + refused, .refused(reason))
        told?(.failure(reason))
    }

    /// An attempt, or a connection, has failed.
    func failed(_ error: KeeperError) {
        let told = onPosition.take()
        state = .idle
        let (written, lost, outcome) = resolvedByRecord()
        // Now, since the queue may have nothing left to try for.
        queue.complete(written, .written)
        queue.complete(lost, outcome)
        let reason = explained(error)
        queue.attemptFailed(reason)
        told?(.failure(reason))
    }

    /// The lines that were sent, if the record of a session that has ended tells what became of them.
    private func resolvedByRecord() -> (written: [WaitingLine], lost: [WaitingLine], WriteOutcome) {
        guard !queue.lines.isEmpty(.sent), let record = SessionRecord(at: paths.record(for: session)),
            record.epoch == writer.epoch, let exit = record.exit
        else { return ([], [], .unknown(.sessionEnded(session))) }
        writer.endEpoch()
        return resolved(by: exit, of: record.epoch)
    }

    /// The lines that were sent, as the end of an epoch tells what became of them.
    private func resolved(
        by exit: SessionExit, of epoch: String?,
    ) -> (written: [WaitingLine], lost: [WaitingLine], WriteOutcome) {
        let reason = KeeperError.sessionEnded(session)
        let states = epoch == writer.epoch ? exit.writers : []
        let acknowledged = states.first { $0.name == writer.name.rawValue }?.acknowledged
        let written = queue.lines.take(.sent) { $0.sequence <= acknowledged ?? 0 }
        return (written, queue.lines.takeAll(.sent), acknowledged == nil ? .unknown(reason) : .refused(reason))
    }

    /// In words about the socket that people know.
    private func explained(_ error: KeeperError) -> KeeperError {
        guard case .connection(_, let cause) = error else { return error }
        return .connection(paths.socket(for: session), cause)
    }
}
