internal import KeeperProtocol
internal import UVLoop

/// How a keeper ends: on a signal, with its child, or without ever having started.
extension Keeper {
    /// The child has closed its stdin, or has ended, which its exit will tell. It may work on without, so the session does.
    func stdinClosed(_ error: UVError) {
        afterNextPoll { [unowned self] in
            guard let session = current, session.child.isRunning else { return }
            launch.log.write("pi does not read its stdin any more: \(error); lines to it are dropped")
        }
    }

    func childEnded(_ exit: ProcessExit) {
        switch state {
        case .settling(let session, _), .ready(let session):
            noteExit(exit, session)
            let isEarly = closeWindow()
            // SIGTERM for the process group ends the child too. Its news may show only in the next poll, so only if nothing
            // has come after that has the child ended by itself.
            afterNextPoll { [unowned self] in
                guard let session = current else { return }
                endedByItself(session, exit, isEarly: isEarly)
            }
        case .stopping(let session, let ladder, _):
            noteExit(exit, session)
            ladder.processEnded()
        case .claiming, .starting, .ended: break
        }
    }

    /// Ends the crash window before its time: "keeper ready" is not said of a child that has ended.
    ///
    /// - Returns: false if it was over.
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
        let elapsed = Int64((SystemClock.monotonicTime - session.startedAt) / .milliseconds(1))
        launch.log.write("pi exited code=\(code) signal=\(signal) elapsed=\(elapsed)ms")
    }

    /// The first tick ends the current poll round, the second comes after another.
    private func afterNextPoll(_ body: @escaping () -> Void) {
        loop.onNextTick { [loop] in loop.onNextTick(body) }
    }

    private func endedByItself(_ session: Session, _ exit: ProcessExit, isEarly: Bool) {
        if isEarly {
            launch.log.write("pi ended within its crash window\(hint(exit))")
        }
        freeDescriptors(session)
        session.socket.remove(log: launch.log)
        let rest = Ladder.rest(session.child)
        if let rest { launch.log.write("pi left \(rest)") }
        let ending =
            isEarly
            ? Ending(status: .childFailed, reason: "pi ended within its crash window")
            : Ending(status: .ended, reason: "pi exited")
        // A start that failed leaves nothing.
        guard isEarly || launch.settings.sweeps, rest != nil else { return complete(session, ending) }
        let own = launch.settings.stopLadder.completed(by: .now)
        end(session, ending, isEarly ? .now : StopLadder(endOfInput: .zero, terminate: own.terminate))
    }

    /// A hint at the next thing to look for, for people.
    private func hint(_ exit: ProcessExit) -> String {
        if exit == .exited(code: 0) { return "; it ended with 0: does it put itself into the background?" }
        guard !launch.settings.capturesOutput else { return "" }
        return
            "; its output was discarded: \(KeeperVariable.captureOutput)=1 (uvkeeper spawn --capture-output) shows it"
    }

    /// Takes the session down in order: no new clients, then its processes, step by step.
    func end(_ session: Session, _ ending: Ending, _ times: StopLadder) {
        _ = closeWindow()
        freeDescriptors(session)
        session.socket.remove(log: launch.log)
        let ladder = Ladder(times, forwarder: session.forwarder, child: session.child, log: launch.log)
        state = .stopping(session, ladder, ending)
        ladder.start { [unowned self] survivors in
            for process in survivors {
                launch.log.write("process \(Ladder.name(of: process)) does not end although killed")
            }
            // Nobody is left in silence: those that could not be held, too.
            if survivors.isEmpty, let rest = Ladder.rest(session.child) { launch.log.write("pi left \(rest)") }
            complete(session, ending)
        }
        // All may have ended already.
        loop.onNextTick { ladder.processEnded() }
    }

    /// To look for processes takes descriptors, which clients may have.
    private func freeDescriptors(_ session: Session) {
        let missing = SpareDescriptor.count - spareDescriptors.count
        spareDescriptors = []
        if missing > 0 { session.forwarder.letGoConfirmed(atMost: missing) }
    }

    private func complete(_ session: Session, _ ending: Ending) {
        session.socket.remove(log: launch.log)
        let forwarder = session.forwarder
        let isComplete = forwarder.confirmTaken()
        forwarder.stop()
        forwarder.closeStdin()
        // A child that cannot be ended stays named, and keeps others from starting beside it.
        if session.claim.holds, !session.child.isRunning { remove(session.childPIDFile) }
        session.child.close()
        release(session.claim, isComplete: isComplete)
        // After the lock: that is how a client tells this close from a confirmation.
        forwarder.close()
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
        finish(Ending(status: failure.status, reason: failure.summary))
    }

    func finish(_ ending: Ending) {
        if case .ended = state { return }
        // Whoever reads of a shutdown takes the session for ended, and here another keeper goes on with it.
        if ending.status != .sessionTaken {
            launch.log.write("shutdown: code=\(ending.status.rawValue) reason=\(ending.reason)")
        }
        if case .claiming(_, let retry?) = state { retry.close() }
        state = .ended(ending.status)
        rotation?.close()
        for signal in signals { signal.close() }
    }

    func release(_ claim: SessionClaim, isComplete: Bool = false) {
        do throws(UVError) {
            try claim.release(isComplete: isComplete)
        } catch {
            launch.log.write("cannot remove the pid file: \(error)")
        }
    }
}
