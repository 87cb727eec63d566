internal import KeeperProtocol
internal import UVLoop

/// The keeper's answers about lines, and the consequences of a failed connection.
extension ChannelCourier {
    func received(_ message: ChannelMessage) {
        switch message {
        case .writer(_, let last, let acknowledged): introduced(last, acknowledged)
        case .acknowledged(let sequence):
            writer.acknowledged = sequence
            queue.complete(upTo: sequence)
            if queue.lines.isEmpty(.sent) { busyPoll?.stop() }
        case .error(let error): refused(error)
        case .exit(let exit): ended(exit)
        case .hello, .reading, .output, .gap, .end, .status, .ok, .pong: break
        }
    }

    /// Handles the keeper's answer to the introduction: it knows the writer, and tells how far its lines have come.
    private func introduced(_ last: UInt64, _ acknowledged: UInt64) {
        guard case .connecting(let connection) = state, let hello = connection.hello else { return }
        state = .open(connection)
        queue.failures = 0
        writer.epoch = hello.epoch
        // If no lines are out that the keeper may not know of, the keeper's count is the only one.
        writer.last = queue.lines.isEmpty(.sent) ? last : max(writer.last, last)
        writer.acknowledged = acknowledged
        if let told = onPosition.take() {
            told(.success(WriterPosition(epoch: hello.epoch, last: last, acknowledged: acknowledged)))
        }
        queue.complete(upTo: acknowledged)
        // Only lines that the keeper has not taken are sent again, under their numbers.
        let again = queue.lines.messages(above: last)
        if !again.isEmpty { connection.send(again) }
        flush()
        if queue.lineCount == 0 { rest() }
    }

    private func refused(_ error: ChannelError) {
        let reason = KeeperError.channel(session, error.code.rawValue, error.text)
        switch error.code {
        case .inputClosed:
            // None of the lines from `first` on is whole in the child's pipe.
            isInputClosed = true
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
            // The lines sent went to another life of the session, or nobody knows any more which of them arrived.
            let reason: KeeperError =
                error.code == .epoch ? .sessionBeganAnew(session) : .writerForgotten(session, "\(writer.name)")
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

    /// Drops the connection and the lines sent; unsent lines are tried again, or refused.
    private func giveUp(for reason: KeeperError, refusesUnsent: Bool) {
        let told = onPosition.take()
        disconnect()
        let lost = queue.lines.takeAll(.sent)
        let refused = refusesUnsent ? queue.lines.takeAll(.unsent) : []
        queue.failures += 1
        queue.retry()
        queue.complete(lost, .unknown(reason))
        queue.complete(refused, .refused(reason))
        // The host is told last: it may ask again at once.
        told?(.failure(reason))
    }

    /// Handles the end of the session. The last acknowledgement has come, so lines above it did not get whole into the
    /// pipe. If the keeper did not see the introduction any more, its last message tells about lines sent on an earlier
    /// connection.
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
        // Lines with attempts or a time stay: another keeper may be about to start.
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

    /// Handles a failed attempt, or a failed connection.
    func failed(_ error: KeeperError) {
        let told = onPosition.take()
        state = .idle
        let (written, lost, outcome) = resolvedByRecord()
        // The lines are completed now, since the queue may have nothing left to try for.
        queue.complete(written, .written)
        queue.complete(lost, outcome)
        let reason = explained(error)
        queue.attemptFailed(reason)
        guard let told else { return }
        if case .noChannel = ChannelAbsence(error, of: session, paths) {
            told(.failure(.noChannel(session, "count lines")))
        } else {
            told(.failure(reason))
        }
    }

    /// Sorts the lines sent by the record of an ended session, if it tells what became of them.
    private func resolvedByRecord() -> (written: [WaitingLine], lost: [WaitingLine], WriteOutcome) {
        guard !queue.lines.isEmpty(.sent), let record = SessionRecord(at: paths.record(for: session)),
            record.epoch == writer.epoch, let exit = record.exit
        else { return ([], [], .unknown(.sessionEnded(session))) }
        writer.endEpoch()
        return resolved(by: exit, of: record.epoch)
    }

    /// Sorts the lines sent by the end of an epoch, which tells what became of them.
    private func resolved(
        by exit: SessionExit, of epoch: String?,
    ) -> (written: [WaitingLine], lost: [WaitingLine], WriteOutcome) {
        let reason = KeeperError.sessionEnded(session)
        let states = epoch == writer.epoch ? exit.writers : []
        let acknowledged = states.first { $0.name == writer.name.rawValue }?.acknowledged
        let written = queue.lines.take(.sent) { $0.sequence <= acknowledged ?? 0 }
        return (written, queue.lines.takeAll(.sent), acknowledged == nil ? .unknown(reason) : .refused(reason))
    }

    /// The error in terms of the socket that users know.
    private func explained(_ error: KeeperError) -> KeeperError {
        guard case .connection(_, let cause) = error else { return error }
        return .connection(paths.socket(for: session), cause)
    }
}
