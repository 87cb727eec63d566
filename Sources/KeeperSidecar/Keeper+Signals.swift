internal import KeeperProtocol
internal import UVLoop

/// The signals of a keeper. Every other signal that could end it is ignored, since only an orderly end leaves nothing
/// behind.
extension Keeper {
    /// The signals that end the session.
    static var endingSignals: [Signal] { [.terminate, .interrupt, .quit, .processorTimeExceeded] }
    /// All signals that the keeper waits for.
    static var handledSignals: [Signal] { endingSignals + [.user1, .childChanged] }

    func watchSignals() throws(UVError) {
        #if os(Linux)
        signals = [try SignalQueue(Keeper.handledSignals, on: loop) { [unowned self] in received($0.signal, $0.value) }]
        #else
        for signal in Keeper.handledSignals {
            let handle = try SignalHandle(on: loop)
            try handle.start(signal) { [unowned self] _, signal in received(signal, nil) }
            signals.append(handle)
        }
        #endif
    }

    /// Makes processes that the child leaves behind children of this keeper, which can then find and collect them.
    func adoptOrphans() {
        do throws(UVError) {
            try ProcessTree.becomeSubreaper()
        } catch {
            launch.log.write("cannot adopt what pi leaves behind: \(error)")
        }
    }

    private func received(_ signal: Signal, _ value: UInt64?) {
        switch signal {
        case .childChanged: processChanged()
        case .user1: renewSockets()
        default: stop(signal, value.flatMap { StopLadder(signalValue: $0) })
        }
    }

    /// Called when a process of the session has ended or stopped.
    private func processChanged() {
        switch state {
        case .claiming, .moving, .starting, .ended: ProcessTree.collectEnded(except: nil)
        case .settling(let session, _), .ready(let session):
            collect(session.child.process)
        case .parting(let session, _): collect(session.child.process)
        case .stopping(let session, let ladder, _):
            collect(session.child.process)
            ladder.processEnded()
        }
    }

    private func collect(_ child: ChildProcess) {
        child.collectIfEnded()
        ProcessTree.collectEnded(except: child.isRunning ? child.pid : nil)
    }

    /// Ends the session. A plain signal means the stop ladder the keeper was started with; a manager's signal carries
    /// its own.
    private func stop(_ signal: Signal, _ times: StopLadder?) {
        let times = times?.completed(by: launch.settings.stopLadder).completed(by: .gentle)
        switch state {
        case .claiming:
            launch.log.write("\(signal) before the session was claimed")
            finish(Ending(status: .ended, reason: "\(signal)", exit: .keeperSignalled))
        // The signal may be the end of the scope that is being withdrawn. The keeper ends anyway, with status 2.
        case .moving(_, let move) where move.isWithdrawing: break
        case .moving(let claim, let move):
            launch.log.write("\(signal) before the session has a control group")
            move.cancel()
            release(claim)
            finish(Ending(status: .ended, reason: "\(signal)", exit: .keeperSignalled))
        case .settling(let session, _), .ready(let session):
            launch.log.write("\(signal) received")
            let own = launch.settings.stopLadder.completed(by: .now)
            // A signal with a ladder of its own comes from a manager.
            let reason: SessionExit.Reason = times == nil ? .keeperSignalled : .stopped
            end(session, Ending(status: .ended, reason: "\(signal)", exit: reason), times ?? own)
        // A second plain signal means: now.
        case .stopping(_, let ladder, _):
            launch.log.write("\(signal) received again")
            ladder.hasten(times ?? .now)
        // A signal is handled between ticks, and a start takes a single tick.
        case .starting, .parting, .ended: break
        }
    }

    /// Makes sockets anew whose files are gone, as tmux does.
    private func renewSockets() {
        switch state {
        case .settling, .ready:
            for kind in [Door.Kind.channel, .raw] { renew(kind) }
        // A stop can take long, and clients still ask and read. The raw socket has been removed.
        case .stopping:
            launch.log.write("SIGUSR1: the session ends; its raw socket is not made anew")
            renew(.channel)
        case .parting: launch.log.write("SIGUSR1: the session has ended; no socket is made anew")
        case .claiming, .moving, .starting, .ended: break
        }
    }

    private func renew(_ kind: Door.Kind) {
        guard var session else { return }
        let door = kind == .raw ? session.rawDoor : session.channelDoor
        guard !door.isInPlace else {
            launch.log.write("SIGUSR1: the socket is in its place: \(door.shownPath)")
            return
        }
        do throws(KeeperFailure) {
            try Door.checkFree(kind, of: launch.session, launch.paths, shown: launch.shownPaths)
            let new = try makeDoor(kind)
            do throws(KeeperFailure) {
                try listen(new, session)
                try new.publish()
            } catch {
                new.remove(log: launch.log)
                throw error
            }
            switch kind {
            case .raw:
                session.lines.listener = new.listener
                session.rawDoor = new
            case .channel:
                session.channel.listener = new.listener
                session.channelDoor = new
            }
            // Clients that have connected to the old socket are accepted first.
            do throws(UVError) { try door.listener.acceptAll() } catch { session.lines.refused(error) }
            door.remove(log: launch.log)
            replace(with: session)
            launch.log.write("socket bound: \(door.shownPath), anew after SIGUSR1")
        } catch {
            launch.log.write("SIGUSR1: cannot make the socket anew: \(error.reason)")
        }
    }
}
