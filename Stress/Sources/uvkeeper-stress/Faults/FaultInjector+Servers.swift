import UVKeeper

/// Faults of the server in another process, and waves of keepers of their own.
extension FaultInjector {
    func startServer() {
        guard let server = engine.server else { return }
        engine.extraOutstanding += 1
        do {
            try server.start { [unowned self] status, told in
                engine.extraOutstanding -= 1
                switch told {
                case nil: engine.early.add(.recovery, "a driven server ended by itself: \(status)")
                case .kill:
                    if engine.phase == .running, !server.isSpent { startServer() }
                default:
                    if status != .exited(code: 0) {
                        engine.early.add(.recovery, "a driven server ended badly: \(status)")
                    }
                }
            }
        } catch {
            // The cause may be a lack of descriptors.
            engine.extraOutstanding -= 1
            retryServer("\(error)")
        }
    }

    private func retryServer(_ reason: String) {
        guard engine.phase == .running else { return }
        guard isActive(.descriptorsExhausted) else {
            return engine.early.add(.recovery, "a driven server cannot be started: \(reason)")
        }
        let record = FaultRecord(.serverKilled, session: nil, start: engine.clock.microseconds)
        end(record, after: .milliseconds(50)) { [unowned self] in startServer() }
    }

    /// Ends the server in order, so that its lines under way get their outcome; kills one that is just starting.
    func endServer() {
        guard let server = engine.server, let (_, isWriting) = server.progress else { return }
        if !isWriting { begin(.serverKilled, nil, note: "at the end of the run").end = engine.clock.microseconds }
        do throws(UVError) { try server.end(isWriting ? .terminate : .kill) } catch {
            engine.early.add(.recovery, "a driven server cannot be ended: \(error)")
        }
    }

    /// Kills the server. The next one is started at once, if there are lines left; the fault lasts until that one has
    /// sent a line.
    func killServer() {
        guard let server = engine.server, let pid = server.pid else { return }
        let record = begin(.serverKilled, nil, note: "SIGKILL to \(pid)")
        do throws(UVError) { try server.end(.kill) } catch { record.fail(error) }
        awaitServer(record, server)
    }

    private func awaitServer(_ record: FaultRecord, _ server: DrivenServer) {
        end(record, after: .milliseconds(10)) { [unowned self] in
            record.isFollowed = server.progress?.isWriting == true || server.isSpent
            guard engine.phase == .running, !record.isFollowed else { return }
            if let age = server.progress?.age, age > DrivenServer.startLimit {
                return engine.early.add(.recovery, "a driven server did not write within 30 s")
            }
            engine.loop.onNextTick { if self.engine.phase == .running { self.awaitServer(record, server) } }
        }
    }

    /// Adds sessions for one fault only; they are judged with the others.
    func addSessions(_ count: Int) throws -> [Session] {
        var settings = LoadSettings()
        settings.writers = 0
        settings.burstCapacity = FaultInjector.waveLines
        let first = FaultInjector.firstWaveSession + engine.waves.count
        let sessions = try (first..<first + count).map {
            try Session($0, in: engine.run, manager: engine.manager, settings: settings, clock: engine.clock)
        }
        engine.waves += sessions
        return sessions
    }

    /// Starts keepers beside a discovery in another process.
    func startRace(_ planned: Planned) {
        let rounds = 4 + Int(planned.number % 8)
        let record = begin(
            .discoveryRace, nil, note: "\(FaultInjector.raceSessions) keepers, at most \(rounds) times")
        do {
            let race = try DiscoveryRace(
                try addSessions(FaultInjector.raceSessions), in: engine.run, manager: engine.manager,
                clock: engine.clock, seed: planned.number, rounds: rounds, limit: engine.settings.drainLimit,
                on: engine.loop)
            race.onFault = { [engine] in engine.faults.append($0) }
            race.onViolation = { [engine] in engine.early.add($0, $1) }
            race.isGoingOn = { [engine] in engine.phase == .running }
            engine.extraOutstanding += 1
            runningWaves += 1
            runningRaces += 1
            let completed = { [self] in
                runningWaves -= 1
                runningRaces -= 1
                engine.extraOutstanding -= 1
                record.end = engine.clock.microseconds
                // The race is kept alive until here.
                _ = race
            }
            do { try race.start(engine.settings.discoveryFault, completed) } catch {
                completed()
                throw error
            }
        } catch {
            record.fail(error)
            record.end = engine.clock.microseconds
        }
    }

    /// Starts keepers of sessions of their own, and kills them at once.
    func startWave(_ planned: Planned) {
        let count = 4 + Int(planned.number % 5)
        let record = begin(.spawnWave, nil, note: "\(count) keepers")
        do {
            let sessions = try addSessions(count)
            let wave = Wave(
                sessions, in: engine.run, discoveries: engine.discoveries, clock: engine.clock, seed: planned.number,
                limit: engine.settings.drainLimit, on: engine.loop)
            wave.othersDiscovered = { [unowned self] in othersDiscovered(since: $0) }
            wave.onFault = { [engine] in engine.faults.append($0) }
            wave.onViolation = { [engine] in engine.early.add($0, $1) }
            engine.extraOutstanding += 1
            runningWaves += 1
            wave.start { [self] in
                runningWaves -= 1
                engine.extraOutstanding -= 1
                record.end = engine.clock.microseconds
            }
        } catch {
            record.fail(error)
            record.end = engine.clock.microseconds
        }
    }

    private static let raceSessions = 6

    /// The limit of lines sent to a session of a wave.
    private static let waveLines = 64

    /// The first index of sessions in waves, far above those of the sessions under load.
    static let firstWaveSession = 1000
}
