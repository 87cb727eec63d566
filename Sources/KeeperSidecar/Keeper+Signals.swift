internal import KeeperProtocol
internal import UVLoop

/// The signals a keeper knows; every other one that could end it is ignored, since only an end in order leaves nothing.
extension Keeper {
    /// Those that end the session.
    static let endingSignals: [Signal] = [.terminate, .interrupt, .quit, .processorTimeExceeded]
    /// All that are waited for.
    static let handledSignals = endingSignals + [.user1, .childChanged]

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

    /// Processes that the child leaves behind when it ends become this keeper's to collect, and to find.
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
        case .user1: renewSocket()
        default: stop(signal, value.flatMap { StopLadder(signalValue: $0) })
        }
    }

    /// A process of the session has ended, or stopped.
    private func processChanged() {
        switch state {
        case .claiming, .starting, .ended: ProcessTree.collectEnded(except: nil)
        case .settling(let session, _), .ready(let session):
            session.child.collectIfEnded()
            ProcessTree.collectEnded(except: session.child.isRunning ? session.child.pid : nil)
        case .stopping(let session, let ladder, _):
            session.child.collectIfEnded()
            ProcessTree.collectEnded(except: session.child.isRunning ? session.child.pid : nil)
            ladder.processEnded()
        }
    }

    /// A plain signal means the steps that the keeper was started with; one from a manager has its own.
    private func stop(_ signal: Signal, _ times: StopLadder?) {
        let times = times?.completed(by: launch.settings.stopLadder).completed(by: .gentle)
        switch state {
        case .claiming:
            launch.log.write("\(signal) before the session was claimed")
            finish(Ending(status: .ended, reason: "\(signal)"))
        case .settling(let session, _), .ready(let session):
            launch.log.write("\(signal) received")
            let own = launch.settings.stopLadder.completed(by: .now)
            end(session, Ending(status: .ended, reason: "\(signal)"), times ?? own)
        // Once more, plainly: now.
        case .stopping(_, let ladder, _):
            launch.log.write("\(signal) received again")
            ladder.hasten(times ?? .now)
        // A signal comes between two ticks, and a start takes one.
        case .starting, .ended: break
        }
    }

    /// Makes the session's socket anew if its file is gone, as tmux does.
    private func renewSocket() {
        guard var session = current else { return }
        let path = launch.shownPaths.socket(for: launch.session)
        guard !session.socket.isInPlace else {
            launch.log.write("SIGUSR1: the socket is in its place: \(path)")
            return
        }
        do throws(KeeperFailure) {
            try SessionSocket.checkFree(launch.session, launch.paths, shown: launch.shownPaths)
            let socket = try SessionSocket(launch.session, paths: launch.paths, shown: launch.shownPaths, on: loop)
            do throws(KeeperFailure) {
                try listen(socket, session.forwarder)
                try socket.publish()
            } catch {
                socket.remove(log: launch.log)
                throw error
            }
            session.forwarder.listener = socket.listener
            // Whoever has connected to the old one comes along.
            do throws(UVError) { try session.socket.listener.acceptAll() } catch { session.forwarder.refused(error) }
            session.socket.remove(log: launch.log)
            session.socket = socket
            replaceCurrent(with: session)
            launch.log.write("socket bound: \(path), anew after SIGUSR1")
        } catch {
            launch.log.write("SIGUSR1: cannot make the socket anew: \(error.reason)")
        }
    }
}
