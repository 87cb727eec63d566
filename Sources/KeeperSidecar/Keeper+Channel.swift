internal import KeeperProtocol
internal import UVLoop

/// The requests of channel clients that concern the keeper.
extension Keeper {
    var hello: ChannelHello {
        ChannelHello(
            version: KeeperSidecar.version, session: launch.session.rawValue, epoch: epoch,
            maximumLineLength: launch.settings.maximumLineLength, output: session?.child.kept?.ranges)
    }

    var status: SessionStatus {
        guard let session else { preconditionFailure("a client without a session") }
        let (child, input) = (session.child, session.child.input)
        let part: SessionStatus.State =
            switch state {
            case .settling: .starting
            case .ready: .running
            case .claiming, .moving, .starting, .stopping, .parting, .ended: .stopping
            }
        var status = SessionStatus(
            session: launch.session.rawValue, epoch: epoch, state: part,
            keeper: .init(
                pid: CurrentProcess.id, version: KeeperSidecar.version, startedAt: SessionRecord.timestamp(startedAt)),
            child: .init(pid: child.process.pid, startedAt: SessionRecord.timestamp(child.startedAt.wall)))
        status.linesIn = input.lineCount
        status.bytesIn = input.enqueued
        status.queuedBytes = input.waitingByteCount
        status.blockedSince = input.blockedSince.map(SessionRecord.timestamp)
        status.lastInputAt = input.lastLineAt.map(SessionRecord.timestamp)
        status.lastOutputAt = child.output?.lastOutputAt.map(SessionRecord.timestamp)
        status.clients = .init(raw: session.lines.clients.count, channel: session.channel.clients.count)
        status.writers = session.channel.writers.states(unacknowledgedFirst: false)
        status.writersTotal = session.channel.writers.count
        status.output = child.kept?.ranges
        if let lost = child.output?.sink.lost { status.lostOutput = lost }
        status.labels = session.record.record.labels
        status.place = currentPlace(session)
        return status
    }

    /// Sends a signal to the child, and to no other process.
    func signalChild(_ signal: Signal) throws(ChannelError) {
        guard let process = session?.child.process else { return }
        do throws(UVError) {
            try process.kill(signal)
        } catch .noProcess {
            throw ChannelError(.notPermitted, .signal, "the child has ended")
        } catch {
            throw ChannelError(.notPermitted, .signal, "\(error)")
        }
    }

    /// Ends the session; if it is ending already, brings the steps forward.
    func stop(_ ladder: StopLadder) {
        let times = ladder.completed(by: launch.settings.stopLadder).completed(by: .gentle)
        switch state {
        case .settling(let session, _), .ready(let session):
            launch.log.write("a client asks for the end of the session")
            end(session, Ending(status: .ended, reason: "stopped by a client", exit: .stopped), times)
        case .stopping(_, let ladder, _): ladder.hasten(times)
        case .claiming, .moving, .starting, .parting, .ended: break
        }
    }

    /// Writes labels to the record, all changes in one write.
    ///
    /// - Returns: for each change the reason why it was not made; nil if it was made.
    func writeLabels(_ changes: [[JSONValue.Member]]) -> [ChannelError?] {
        // The last record is written only once, and a slow reader may still be connected after that.
        guard let record = session?.record, record.record.exit == nil else {
            return changes.map { _ in ChannelError(.notPermitted, .label, "the session has ended") }
        }
        var labels = record.record.labels
        var errors: [ChannelError?] = []
        for change in changes {
            do throws(SessionLabelsError) {
                labels = try labels.changed(by: change)
                errors.append(nil)
            } catch {
                errors.append(ChannelError(.argument, .label, "\(error)"))
            }
        }
        guard labels != record.record.labels else { return errors }
        do throws(UVError) {
            try record.write { $0.labels = labels }
            return errors
        } catch {
            let failure = ChannelError(.notPermitted, .label, "the record cannot be written: \(error)")
            return errors.map { $0 ?? failure }
        }
    }
}
