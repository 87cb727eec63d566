internal import KeeperProtocol
internal import UVLoop

/// How a keeper ends: on a signal, with its child, or without ever having started.
extension Keeper {
    func received(_ signal: Signal) {
        switch state {
        case .claiming:
            launch.log.write("\(signal) before the session was claimed")
            finish(.ended)
        case .running(let session):
            launch.log.write("\(signal) received")
            end(session, .ended)
        case .ending, .ended: break
        }
    }

    func stdinBroke(_ error: UVError) {
        // A child that has ended is `childEnded`'s.
        guard case .running(let session) = state, session.child.isRunning else { return }
        launch.log.write("pi does not read its stdin any more: \(error)")
        end(session, statusNow)
    }

    func childEnded(_ exit: ProcessExit) {
        let (code, signal) =
            switch exit {
            case .exited(let code): ("\(code)", "null")
            case .signaled(let signal): ("null", "\(signal)")
            case .unknown: ("null", "null")
            }
        switch state {
        case .running(let session):
            launch.log.write("pi exited code=\(code) signal=\(signal)")
            let status = statusNow
            // It must not say "keeper ready" of a child that has ended.
            timer.stop()
            // SIGTERM for the process group ends the child too. Its handler has run by now, but what it wrote for the loop
            // shows only in the next poll, so only if nothing has come after that has the child ended by itself.
            afterNextPoll { [unowned self] in
                guard case .running = state else { return }
                if status == .childFailed { launch.log.write("pi ended within its crash window") }
                end(session, status)
            }
        case .ending(let session, let status):
            launch.log.write("pi exited code=\(code) signal=\(signal)")
            complete(session, status)
        case .claiming, .ended: break
        }
    }

    /// The first tick ends the current poll round, the second comes after another.
    private func afterNextPoll(_ body: @escaping () -> Void) {
        loop.onNextTick { [loop] in loop.onNextTick(body) }
    }

    /// What it comes to if a running session ends now: until its timer has said "keeper ready", the crash window lasts.
    private var statusNow: KeeperExitStatus { timer.isActive ? .childFailed : .ended }

    /// Takes the session down in order: no new clients, no old ones, no child.
    func end(_ session: Session, _ status: KeeperExitStatus) {
        state = .ending(session, status)
        session.socket.remove(log: launch.log)
        session.forwarder.stop()
        // Not SIGTERM: a child that hangs must not keep the keeper, and one that was asked has been asked by the group.
        // Before its stdin closes, or the log would say at random how it ended.
        let isRunning = session.child.isRunning
        if isRunning { kill(session.child) }
        session.child.streams[0]?.close()
        guard isRunning else { return complete(session, status) }
        timer.start(after: Keeper.killDeadline) { [unowned self] _ in
            launch.log.write("pi \(session.child.pid) does not end although killed")
            session.child.close()
            complete(session, status)
        }
    }

    private func complete(_ session: Session, _ status: KeeperExitStatus) {
        if session.claim.holds { remove(session.childPIDFile) }
        release(session.claim)
        // After the lock: that is how a client tells this close from a confirmation.
        session.forwarder.close()
        finish(status)
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
        finish(failure.status)
    }

    private func finish(_ status: KeeperExitStatus) {
        guard !isEnded else { return }
        // Whoever reads of a shutdown takes the session for ended, and here another keeper goes on with it.
        if status != .sessionTaken { launch.log.write("shutdown") }
        state = .ended(status)
        timer.close()
        rotation?.close()
        for signal in signals { signal.close() }
    }

    private var isEnded: Bool {
        if case .ended = state { true } else { false }
    }

    func release(_ claim: SessionClaim) {
        do throws(UVError) {
            try claim.release()
        } catch {
            launch.log.write("cannot remove the pid file: \(error)")
        }
    }

    private func kill(_ child: ChildProcess) {
        do throws(UVError) {
            try child.kill(.kill)
        } catch {
            if error != .noProcess { launch.log.write("cannot kill pi \(child.pid): \(error)") }
        }
    }
}
