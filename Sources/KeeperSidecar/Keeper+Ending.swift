internal import KeeperProtocol
internal import UVLoop

/// The end of a keeper: on a signal, with its child, or after a start that failed.
extension Keeper {
    /// Called when the child has closed its stdin, or has ended, which its exit tells. A living child may work on
    /// without stdin, so the session goes on.
    func stdinClosed(_ error: UVError) {
        afterNextPoll { [unowned self] in
            guard let session = current, session.child.process.isRunning else { return }
            launch.log.write("pi does not read its stdin any more: \(error); lines to it are dropped")
        }
    }

    func childEnded(_ exit: ProcessExit) {
        switch state {
        case .settling(let session, _), .ready(let session):
            noteExit(exit, session)
            let isEarly = closeWindow()
            // SIGTERM for the process group ends the child too, and the keeper may see the signal only in the next
            // poll. The child counts as ended by itself only if no signal has come by then.
            afterNextPoll { [unowned self] in
                guard let session = current else { return }
                endedByItself(session, exit, isEarly: isEarly)
            }
        case .stopping(let session, let ladder, _):
            noteExit(exit, session)
            ladder.processEnded()
        case .claiming, .moving, .starting, .parting, .ended: break
        }
    }

    /// Ends the crash window early: "keeper ready" is not logged of a child that has ended.
    ///
    /// - Returns: false if the window was over.
    private func closeWindow() -> Bool {
        guard case .settling(let session, let window) = state else { return false }
        window.close()
        state = .ready(session)
        return true
    }

    private func noteExit(_ exit: ProcessExit, _ session: Session) {
        let (code, signal) =
            switch exit {
            case .exited(let code): ("\(code)", "null")
            case .signaled(let signal): ("null", "\(signal)")
            case .unknown: ("null", "null")
            }
        let elapsed = Int64((SystemClock.monotonicTime - session.child.startedAt.monotonic) / .milliseconds(1))
        launch.log.write("pi exited code=\(code) signal=\(signal) elapsed=\(elapsed)ms")
    }

    /// Runs `body` after the next poll: the first tick ends the current round of polling, the second comes after
    /// another.
    private func afterNextPoll(_ body: @escaping () -> Void) {
        loop.onNextTick { [loop] in loop.onNextTick(body) }
    }

    private func endedByItself(_ session: Session, _ exit: ProcessExit, isEarly: Bool) {
        if isEarly {
            launch.log.write("pi ended within its crash window\(hint(exit))")
        }
        session.rawDoor.remove(log: launch.log)
        Ladder.findRest(of: session.child.process, on: loop) { [unowned self] rest in
            // A stop that has begun meanwhile finds the rest itself.
            guard let session = current else { return }
            ended(session, isEarly: isEarly, leaving: rest)
        }
    }

    private func ended(_ session: Session, isEarly: Bool, leaving rest: Ladder.Rest?) {
        if let rest { launch.log.write("pi left \(rest.text)") }
        var ending =
            isEarly
            ? Ending(status: .childFailed, reason: "pi ended within its crash window", exit: .crashedAtStart)
            : Ending(status: .ended, reason: "pi exited", exit: .exited)
        ending.leftBehind = rest?.pids ?? []
        // A failed start leaves no processes behind.
        guard isEarly || launch.settings.sweeps, rest != nil else { return part(session, ending) }
        let own = launch.settings.stopLadder.completed(by: .now)
        end(session, ending, isEarly ? .now : StopLadder(endOfInput: .zero, terminate: own.terminate))
    }

    /// A hint for the user at the likely cause.
    private func hint(_ exit: ProcessExit) -> String {
        if exit == .signaled(.kill), group?.hasKilledForMemory == true {
            return "; a process of the session was killed for lack of memory: its limit may be too small"
        }
        if exit == .exited(code: 0) { return "; it ended with 0: does it put itself into the background?" }
        guard !launch.settings.capturesOutput, launch.settings.outputMaximumBytes == 0 else { return "" }
        return
            "; its output was discarded: \(KeeperVariable.captureOutput)=1 (uvkeeper spawn --capture-output) shows it"
    }

    /// Ends the session in order: no new lines, then its processes, step by step.
    func end(_ session: Session, _ ending: Ending, _ times: StopLadder) {
        _ = closeWindow()
        session.rawDoor.remove(log: launch.log)
        let ladder = Ladder(
            times, lines: session.lines, child: session.child.process, group: group, log: launch.log)
        state = .stopping(session, ladder, ending)
        ladder.start { [unowned self] survivors in
            for process in survivors {
                launch.log.write("process \(Ladder.name(of: process)) does not end although killed")
            }
            var ending = ending
            guard survivors.isEmpty else {
                ending.leftBehind = survivors
                return part(session, ending)
            }
            if !ending.leftBehind.isEmpty { launch.log.write("what pi left behind was ended") }
            if ending.exit == .stopped || ending.exit == .keeperSignalled { ending.by = ladder.lastStep }
            // Every process left is logged, also those that no descriptor could be had for.
            Ladder.findRest(of: session.child.process, on: loop) { [unowned self] rest in
                if let rest {
                    launch.log.write("pi left \(rest.text)")
                    ending.leftBehind = rest.pids
                }
                part(session, ending)
            }
        }
        // All processes may have ended already.
        loop.onNextTick { ladder.processEnded() }
    }

    /// Called when no process is left to wait for: reads the rest of the output, writes the record, and tells the
    /// clients.
    private func part(_ session: Session, _ ending: Ending) {
        // The channel's socket may have been made anew during the stop.
        let session = self.session ?? session
        state = .parting(session, ending)
        session.rawDoor.remove(log: launch.log)
        session.child.input.close(childHasEnded: !session.child.process.isRunning)
        guard let output = session.child.output else { return tell(session, ending, isHeld: false) }
        output.finish { [unowned self] isHeld in tell(session, ending, isHeld: isHeld) }
    }

    /// The time that clients have to read the rest of their messages.
    private static let partingTime = Duration.seconds(1)

    private func tell(_ session: Session, _ ending: Ending, isHeld: Bool) {
        // Lines that the pipe took in this very turn count in the record, as they do for the clients.
        session.channel.inputClosed()
        let exit = exit(of: session, ending, isHeld: isHeld)
        end(session.record, exit) { session.child.kept?.removeOldest() ?? false }
        session.channelDoor.remove(log: launch.log)
        let timer = loop.after(Keeper.partingTime) { session.channel.close() }
        session.channel.end(exit) { [unowned self] in
            timer.close()
            complete(session, ending)
        }
    }

    private func complete(_ session: Session, _ ending: Ending) {
        session.lines.close()
        session.channel.close()
        session.child.kept?.close()
        // The pid file of a child that cannot be ended stays, and keeps others from starting beside it.
        if session.claim.holds, !session.child.process.isRunning { remove(session.child.pidFile) }
        session.child.process.close()
        release(session.claim)
        finish(ending)
    }

    private func remove(_ childPIDFile: ChildPIDFile?) {
        do throws(UVError) {
            try childPIDFile?.remove()
        } catch {
            launch.log.write("cannot remove the pi-PID sidecar: \(error)")
        }
    }

    func fail(_ failure: KeeperFailure) {
        launch.log.writeLast(failure)
        finish(Ending(status: failure.status, reason: failure.summary, exit: .cannotStart))
    }

    func finish(_ ending: Ending) {
        if case .ended = state { return }
        // A "shutdown" line means that the session has ended, but here another keeper goes on with it.
        if ending.status != .sessionTaken {
            launch.log.write("shutdown: code=\(ending.status.rawValue) reason=\(ending.reason)")
        }
        if case .claiming(_, let retry?) = state { retry.close() }
        group?.remove()
        state = .ended(ending.status)
        for signal in signals { signal.close() }
    }

    func release(_ claim: SessionClaim) {
        do throws(UVError) {
            try claim.release()
        } catch {
            launch.log.write("cannot remove the pid file: \(error)")
        }
    }
}
