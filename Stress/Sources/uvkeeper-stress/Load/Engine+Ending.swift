import UVKeeper

/// The end of a run, and the checks then.
extension Engine {
    var cases: [Judge.Case] { (sessions + waves).map(\.judged) }

    /// True if every writer has sent all its lines. A driven server waits for its harness, whose writers may have more.
    var isDone: Bool {
        settings.linesPerWriter != nil && role.vitals == nil && allWriters.allSatisfy(\.isFinished)
            && server?.isSpent != false
    }

    /// Writes failed starts to files at once, since a server may be killed before its end.
    func keepFailedStarts() {
        for session in sessions {
            session.onFailedStart = { [unowned self, index = session.index] failure in
                do throws(UVError) {
                    try failure.append(to: run.failedStarts(session: index))
                } catch {
                    early.add(.failedStart, "cannot be written down, \(error): \(failure.text)")
                }
            }
        }
    }

    func noteUndrained(_ outstanding: Int) {
        early.add(.missingCompletion, count: outstanding, "\(outstanding) were awaited for \(settings.drainLimit)")
        for session in sessions where role.vitals == nil && session.current?.isCondemned ?? true {
            early.add(.recovery, "session \(session.index) did not come back: \(session.obstacle)")
        }
    }

    /// Ends every session; ``endedIfKnown()`` goes on.
    func stopSessions() {
        stopsLeft = sessions.count
        for session in sessions {
            session.end()
            session.lives.last?.wasToldToEnd = true
            manager.stop(session.name) { [self] result in
                if result != .stopped {
                    early.add(.recovery, "at the end the keeper of session \(session.index) was \(result)")
                }
                stopsLeft? -= 1
            }
        }
    }

    /// Continues once the end of every session is known: removes the remains, and closes everything.
    func endedIfKnown() {
        let unknown = (sessions + waves).filter { !$0.isOver }
        guard stopsLeft == 0, unknown.isEmpty || clock.microseconds > endDeadline else { return }
        stopsLeft = nil
        for session in unknown { early.add(.record, "session \(session.index): nobody was told that it has ended") }
        // The files of dead keepers are left to a discovery; whatever it leaves is reported.
        discoverLast()
    }

    private func discoverLast() {
        manager.discoverExistingKeepers { [self] result in
            if case .failure(let error) = result { early.add(.discovery, "at the end: \(error)") }
            for session in sessions { session.noteEnds() }
            finishReading { self.closeAll() }
        }
    }

    // MARK: Output

    /// Asks every keeper for the output it could not write, then continues.
    func noteLosses(then next: @escaping () -> Void) {
        let asked = sessions.filter { $0.readers != nil && $0.current != nil }
        guard !asked.isEmpty else { return next() }
        var left = asked.count
        for session in asked {
            let life = session.current
            manager.session(session.name).status { [self] result in
                switch result {
                case .success(let status): life?.lost = [.out: status.lostOutput.out, .err: status.lostOutput.err]
                case .failure(let error):
                    early.add(.recovery, "at the end session \(session.index) does not tell its status: \(error)")
                }
                left -= 1
                if left == 0 { next() }
            }
        }
    }

    /// Waits until every reader has come to the end of its session; the judge notices the others.
    private func finishReading(then next: @escaping () -> Void) {
        let deadline = clock.microseconds + RunClock.microseconds(settings.drainLimit)
        let timer = TimerHandle(on: loop)
        others.append(timer)
        timer.start(after: .zero, repeating: .milliseconds(5)) { [self] timer in
            for session in sessions { session.readers?.finish() }
            let isReading = sessions.contains { $0.readers?.followers.contains(where: \.hasMore) == true }
            guard !isReading || clock.microseconds > deadline else { return }
            timer.stop()
            next()
        }
    }
}
