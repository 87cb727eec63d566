import UVKeeper

/// Faults by clients and by this process.
extension FaultInjector {
    /// Opens more clients at once than a frozen keeper's backlog holds; each has one line, and all must get through
    /// later.
    func overflowBacklog(_ planned: Planned, _ session: Session, _ life: Life) {
        let count = KeeperConstants.backlog + 50 + Int(planned.number % 150)
        let record = begin(.backlogOverflow, session, note: "\(count) clients")
        inject(.stop, life.keeperPID, record)
        for _ in 0..<count { sendAlone(session) }
        end(record, after: planned.duration) { [unowned self] in undo(.continue, life.keeperPID, record) }
    }

    /// Opens clients whose last line has no newline, and that end their stream in order: the keeper adds the newline.
    func sendUnfinished(_ planned: Planned, _ session: Session) {
        let count = 2 + Int(planned.number % 6)
        let record = begin(.unfinishedLine, session, note: "\(count) clients")
        var generator = SeededGenerator(seed: planned.number)
        var left = count
        for _ in 0..<count {
            sendAlone(session, byteCount: LineSizes(64, 65536).draw(&generator), isFinished: false) { [engine] in
                left -= 1
                if left == 0 { record.end = engine.clock.microseconds }
            }
        }
    }

    private func sendAlone(
        _ session: Session, byteCount: Int = LineFormat.minimumByteCount, isFinished: Bool = true,
        then next: @escaping () -> Void = {},
    ) {
        engine.extraOutstanding += 1
        session.sendLine(byteCount: byteCount, isFinished: isFinished) { [engine] in
            engine.extraOutstanding -= 1
            next()
        }
    }

    /// Opens a client that goes away in the middle of a line. The contract passes the received part on with a newline;
    /// if the connection has taken all bytes, that part is all of them.
    func disconnect(_ planned: Planned, _ session: Session, _ life: Life) {
        let record = begin(.clientDisconnected, session)
        let number = session.lives.count - 1
        var bytes = LineFormat(kind: LineFormat.Kind.faulty, writer: 0, sequence: 0, byteCount: 65536).bytes()
        bytes.removeLast(bytes.count - 5 - Int(planned.number % UInt64(bytes.count - 6)))
        record.note = "after \(bytes.count) bytes of 65536"
        engine.extraOutstanding += 1
        do throws(UVError) {
            _ = try PipeStream(connectingTo: engine.manager.paths.socket(for: session.name), on: engine.loop) {
                [engine] stream, error in
                let ended = {
                    record.end = engine.clock.microseconds
                    engine.extraOutstanding -= 1
                }
                if let error {
                    ended()
                    return record.fail(error)
                }
                // The keeper may end before it has read all bytes; some of them may still have arrived.
                stream.write(bytes) { error in
                    if error == nil, session.current === life { record.completeIn = number }
                    stream.close()
                    ended()
                }
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

    /// Takes every descriptor a keeper may have. The keeper must then drop none of the waiting clients; some have one
    /// line each and no time limit, and must get through.
    func exhaustKeeper(_ planned: Planned, _ session: Session, _ life: Life) {
        let count = 4 + Int(planned.number % 12)
        let record = begin(.keeperExhausted, session, note: "\(count) clients of \(life.keeperPID)")
        // The keeper cannot open its next segment either.
        noteOutput(record, session, life)
        hoard(life.keeperPID, record, for: planned.duration) { record.outputAfter = FaultInjector.most(life) }
        for _ in 0..<count { sendAlone(session) }
    }

    private func hoard(
        _ pid: Int32, _ record: FaultRecord, for duration: Duration, then: @escaping () -> Void = {},
    ) {
        do throws(UVError) {
            let hoard = try DescriptorHoard(of: pid)
            end(record, after: duration) {
                do throws(UVError) { try hoard.release() } catch { record.note += "; not given back: \(error)" }
                then()
            }
        } catch {
            record.end = engine.clock.microseconds
            record.fail(error)
        }
    }
}
