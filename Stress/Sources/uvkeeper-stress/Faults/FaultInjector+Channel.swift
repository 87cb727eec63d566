import UVKeeper

/// Faults of the channel's clients, and of keepers in the steps of an end.
extension FaultInjector {
    /// A client that is interrupted, and comes back until all lines are acknowledged.
    func sendFickle(_ planned: Planned, _ session: Session, _ life: Life, _ way: FickleClient.Way) {
        let count = 3 + Int(planned.number % 12)
        let record = begin(way == .cut ? .channelCut : .writerReplaced, session, note: "\(count) lines")
        let name = "client-\(record.start)"
        let ledger = session.clients
        var generator = SeededGenerator(seed: planned.number)
        let begun = engine.clock.microseconds
        let lines = (0..<count).map { _ in
            let size = LineSizes(64, 65536).draw(&generator)
            let sequence = ledger.begin(byteCount: size, time: begun)
            return LineFormat(
                kind: LineFormat.Kind.ordered, writer: session.settings.clientWriter, sequence: sequence,
                byteCount: size)
        }
        engine.extraOutstanding += 1
        let client = FickleClient(
            to: engine.manager.paths.channel(for: session.name), named: name, way, lines: lines.map { $0.bytes() },
            seed: generator.next(), on: engine.loop
        ) { [unowned self] acknowledged in
            let now = engine.clock.microseconds
            for (index, line) in lines.enumerated() {
                ledger.complete(
                    line.sequence, index < acknowledged ? .written : .unknown, latency: now - begun, time: now)
            }
            life.clients[name] = acknowledged
            fickle[ObjectIdentifier(record)] = nil
            record.end = now
            engine.extraOutstanding -= 1
        }
        client.isGoingOn = { session.current === life }
        client.onViolation = { [engine] in engine.early.add(.channel, "session \(session.index): \($0)") }
        fickle[ObjectIdentifier(record)] = client
        awaitFickle(record)
    }

    /// Keeps the fault active until its client is done, so that no other fault comes to its session meanwhile.
    private func awaitFickle(_ record: FaultRecord) {
        end(record, after: .milliseconds(10)) { [unowned self] in
            if isGoingOn, fickle[ObjectIdentifier(record)] != nil { awaitFickle(record) }
        }
    }

    /// Stops the keeper of a session of its own while it ends a child that ignores its orders.
    func stopWhileEnding(_ planned: Planned) {
        do {
            let session = try addSessions(1)[0]
            let ending = StoppedEnding(planned, session, limit: engine.settings.drainLimit, clock: engine.clock)
            ending.onViolation = { [engine] in engine.early.add($0, $1) }
            engine.extraOutstanding += 1
            runningWaves += 1
            ending.start { [unowned self] in
                begin(planned.kind, session, life: 0, note: $0)
            } then: { [self] in
                runningWaves -= 1
                engine.extraOutstanding -= 1
                // The ending is kept alive until here.
                _ = ending
            }
        } catch {
            begin(planned.kind, nil).fail(error)
        }
    }
}
