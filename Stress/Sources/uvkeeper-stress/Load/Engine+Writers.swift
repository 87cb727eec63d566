import UVKeeper

/// The sending of a run's lines: all of one session by the library's sender for it.
extension Engine {
    /// The name under which servers write that continue where the one before them stopped.
    static let serverName = WriterName("server")

    func addWriters(to session: Session) throws {
        let writers = try (0..<settings.writers).map { try makeWriter(settings.firstWriter + $0, session) }
        session.writers += writers
        guard role.vitals == nil else { return try addJournal(to: session, writers) }
        let patience = settings.patience(session: session.index)
        for writer in writers {
            writer.send = { [manager, settings] bytes, sequence, completion in
                let write = { (_ completion: @escaping (WriteOutcome) -> Void) in
                    if patience == .attempts {
                        manager.writeRPC(bytes, to: session.name, completion: completion)
                    } else {
                        manager.session(session.name).write(bytes, deadline: .untilSessionEnds, completion: completion)
                    }
                }
                // A faulty host gives the same line another number: the proof that the harness notices.
                if let interval = settings.resendInterval, sequence % interval == interval / 2 { write { _ in } }
                write { completion(Ledger.Outcome($0)) }
            }
        }
    }

    /// Adds the sender of a server that may be killed, and continues where another one stopped.
    private func addJournal(to session: Session, _ writers: [Writer]) throws {
        let sender = JournaledSender(
            manager.session(session.name), try Journal(run.journal(session: session.index)),
            left: writers.flatMap { $0.takeLeft() }, on: loop)
        sender.isAlive = { [manager] in manager.mayBeAlive(session.name) }
        sender.onViolation = { [unowned self] in early.add(.channel, "session \(session.index): \($0)") }
        senders.append(sender)
        for writer in writers {
            writer.send = { [number = writer.number] bytes, sequence, completion in
                sender.send(
                    JournaledSender.Line(
                        place: Journal.Line(writer: number, sequence: sequence), bytes: bytes, completion: completion))
            }
        }
    }

    private func makeWriter(_ number: Int, _ session: Session) throws -> Writer {
        let ledger = try Ledger(run.ledger(session: session.index, writer: number))
        let seed = settings.seed &+ UInt64(session.index * 1000 + number)
        return Writer(number, ledger: ledger, settings: settings, seed: seed, clock: clock) {
            [unowned self] writer, outcome, size, latency in
            tally.note(outcome, byteCount: size, latency: latency)
            if outcome == .written { session.toldWritten += 1 }
            if outcome == .handedOver { session.toldHandedOver += 1 }
            if settings.leakPerLine > 0 { leaked.append([UInt8](repeating: 1, count: settings.leakPerLine)) }
            // A closed loop continues at once and not at the next millisecond.
            if settings.rate == nil, phase == .running { writer.pump(startedAt: 0, perWriterRate: nil) }
        }
    }
}
