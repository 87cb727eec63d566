import UVKeeper

/// Faults by clients and by this process.
extension FaultInjector {
    /// More clients at once than a frozen keeper's backlog holds; each has one line, and all must get through after it.
    func overflowBacklog(_ planned: Planned, _ session: Session, _ life: Session.Life) {
        let count = KeeperConstants.backlog + 50 + Int(planned.number % 150)
        let record = begin(.backlogOverflow, session, note: "\(count) clients")
        inject(.stop, life.keeperPID, record)
        for _ in 0..<count { sendAlone(session) }
        end(record, after: planned.duration) { [unowned self] in undo(.continue, life.keeperPID, record) }
    }

    /// One line on a connection of its own.
    private func sendAlone(_ session: Session) {
        let sequence = session.burst.begin(byteCount: LineFormat.minimumByteCount, time: engine.clock.microseconds)
        let line = LineFormat(
            kind: LineFormat.Kind.unordered, writer: engine.settings.burstWriter, sequence: sequence,
            byteCount: LineFormat.minimumByteCount)
        let begun = engine.clock.microseconds
        engine.extraOutstanding += 1
        let complete = { [engine] (outcome: Ledger.Outcome) in
            engine.extraOutstanding -= 1
            let now = engine.clock.microseconds
            session.burst.complete(sequence, outcome, latency: now - begun, time: now)
        }
        do throws(UVError) {
            _ = try KeeperConnection(
                to: engine.manager.paths.socket(for: session.name), on: engine.loop,
                onOpen: { connection in
                    connection.write(line.bytes())
                    connection.finish()
                },
                onEnd: { _, end in
                    switch end {
                    case .confirmed: complete(.written)
                    case .failed(_, let accepted): complete(accepted == 0 ? .refused : .unknown)
                    }
                })
        } catch {
            engine.loop.onNextTick { complete(.refused) }
        }
    }

    /// A client that goes away in the middle of a line. What arrived of it is passed on with a newline, by contract.
    func disconnect(_ planned: Planned, _ session: Session) {
        let record = begin(.clientDisconnected, session)
        var bytes = LineFormat(kind: LineFormat.Kind.faulty, writer: 0, sequence: 0, byteCount: 65536).bytes()
        bytes.removeLast(bytes.count - 5 - Int(planned.number % UInt64(bytes.count - 6)))
        record.note = "after \(bytes.count) bytes of 65536"
        engine.extraOutstanding += 1
        do throws(UVError) {
            _ = try PipeStream(connectingTo: engine.manager.paths.socket(for: session.name), on: engine.loop) {
                [engine] stream, error in
                record.end = engine.clock.microseconds
                engine.extraOutstanding -= 1
                if let error { return record.fail(error) }
                stream.write(bytes)
                stream.close()
            }
        } catch {
            engine.extraOutstanding -= 1
            record.end = engine.clock.microseconds
            record.fail(error)
        }
    }

    /// Takes every descriptor this process may have.
    func exhaustDescriptors(_ planned: Planned) {
        let record = begin(.descriptorsExhausted, nil)
        hoard(0, record, for: min(planned.duration, .milliseconds(500)))
    }

    /// Takes every descriptor a keeper may have. It must drop none of the clients that wait for it then; each of some has
    /// one line and all the time there is, and must get through.
    func exhaustKeeper(_ planned: Planned, _ session: Session, _ life: Session.Life) {
        let count = 4 + Int(planned.number % 12)
        let record = begin(.keeperExhausted, session, note: "\(count) clients of \(life.keeperPID)")
        hoard(life.keeperPID, record, for: planned.duration)
        for _ in 0..<count { sendAlone(session) }
    }

    private func hoard(_ pid: Int32, _ record: FaultRecord, for duration: Duration) {
        do throws(UVError) {
            let hoard = try DescriptorHoard(of: pid)
            end(record, after: duration) {
                do throws(UVError) { try hoard.release() } catch { record.note += "; not given back: \(error)" }
            }
        } catch {
            record.end = engine.clock.microseconds
            record.fail(error)
        }
    }
}
