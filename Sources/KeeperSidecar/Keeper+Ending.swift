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
        guard case .running(let session) = state else { return }
        launch.log.write("pi does not read its stdin any more: \(error)")
        end(session, status(of: session))
    }

    func childEnded(_ exit: ExitStatus) {
        let (code, signal) =
            switch exit {
            case .exited(let code): ("\(code)", "null")
            case .signaled(let signal): ("null", "\(signal)")
            case .unknown: ("null", "null")
            }
        switch state {
        case .running(let session):
            launch.log.write("pi exited code=\(code) signal=\(signal)")
            let status = status(of: session)
            // SIGTERM for the process group reaches the child too. The signal is pending when the child's end shows, but may
            // be handled only after this tick has polled: the callback of this tick comes too early, and that of the next
            // one has seen another poll. If no signal has come by then, the child has ended by itself.
            loop.onNextTick { [unowned self] in
                loop.onNextTick { [unowned self] in
                    guard case .running = state else { return }
                    if status == .childFailed { launch.log.write("pi ended within its crash window") }
                    end(session, status)
                }
            }
        case .ending(let session, let status):
            launch.log.write("pi exited code=\(code) signal=\(signal)")
            complete(session, status)
        case .claiming, .ended: break
        }
    }

    private func status(of session: Session) -> KeeperExitStatus {
        LibUV.monotonicTime - session.startedAt < KeeperConstants.crashWindow ? .childFailed : .ended
    }

    /// Takes the session down in order: no new clients, no old ones, no child.
    private func end(_ session: Session, _ status: KeeperExitStatus) {
        state = .ending(session, status)
        session.socket.remove(log: launch.log)
        session.forwarder.end()
        session.child.streams[0]?.close()
        guard session.child.isRunning else { return complete(session, status) }
        // Not SIGTERM: a child that hangs must not keep the keeper, and one that was asked has been asked by the group.
        kill(session.child)
        timer.start(after: Keeper.killDeadline) { [unowned self] _ in
            launch.log.write("pi \(session.child.pid) does not end although killed")
            session.child.close()
            complete(session, status)
        }
    }

    private func complete(_ session: Session, _ status: KeeperExitStatus) {
        if session.claim.holds {
            do throws(UVError) {
                try session.childPIDFile?.remove()
            } catch {
                launch.log.write("cannot remove the pi-PID sidecar: \(error)")
            }
        }
        release(session.claim)
        finish(status)
    }

    func fail(_ failure: KeeperFailure) {
        launch.log.write("\(failure.reason); exiting with status \(failure.status.rawValue)")
        finish(failure.status)
    }

    func finish(_ status: KeeperExitStatus) {
        guard !isEnded else { return }
        state = .ended(status)
        timer.close()
        rotation?.close()
        for signal in signals { signal.close() }
        launch.log.write("shutdown")
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

    func kill(_ child: ChildProcess) {
        do throws(UVError) {
            try child.kill(.kill)
        } catch {
            if error != .noProcess { launch.log.write("cannot kill pi \(child.pid): \(error)") }
        }
    }
}
