public import KeeperProtocol
internal import Logging
internal import UVLoop

extension KeeperManager {
    /// The outcome of stopping a session.
    public enum StopResult: Hashable, Sendable {
        /// There was no session; leftovers of a dead one are removed.
        case notFound
        /// All processes have ended: the keeper, its child, and processes started by the child; or, if the keeper was
        /// dead, the child that it had left.
        case stopped
        /// All have ended as for ``stopped``, but the keeper, or the dead keeper's child, did not end by itself within
        /// its time and was killed.
        case killed
        /// Processes of the session live on, as listed.
        case survived([ProcessSurvivor])
        /// The keeper has ended, and a process that cannot be shown to be a keeper still serves its socket.
        case stillServed
        /// The session belongs to another user, or its process cannot be shown to be a keeper; nothing was signalled.
        case notPermitted
        /// The manager, or every handle of its loop, was closed first. The keeper may have been signalled, and may run
        /// on.
        case closed
        /// The text is no session id, or the sessions directory cannot be used; nothing was signalled.
        case failed(KeeperError)
    }

    /// Ends a session for good and waits for its end. Works on any keeper in the directory, tracked or not.
    /// `completion` runs once, on a later tick.
    ///
    /// The keeper gets SIGTERM with the ladder, whose steps it takes: end of its child's input, SIGTERM, SIGKILL. A
    /// keeper that has not ended three seconds after the last step is killed. Processes of the session that still live
    /// then are killed too, and named if they survive that. Files left are removed. If the keeper was dead and its
    /// child provably lives, the child gets SIGTERM, and SIGKILL after the ladder's time for it. An original keeper
    /// knows no ladder: it kills its child at once.
    ///
    /// This program is spared if it belongs to the session.
    public func stop(
        _ session: SessionID,
        ladder: StopLadder = .keepers,
        completion: @escaping (StopResult) -> Void,
    ) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.closed) } }
        do throws(KeeperError) { try checkSessionsDirectory() } catch {
            return loop.onNextTick { completion(.failed(error)) }
        }
        let inspection = KeeperInspection(session, paths: paths)
        do throws(UVError) {
            if let keeper = try keeper(of: session, inspection.finding) {
                // A program that serves the session itself must not end itself by this.
                guard keeper.pid != CurrentProcess.id else { throw .notPermitted }
                return run(ladder, session, completion) { ladder, done in
                    KeeperStop(keeper, of: session, in: paths, ladder: ladder, on: loop, completion: done)
                }
            }
            // The keeper may have ended since the first look.
            guard !KeeperInspection.finding(session, paths: paths).mayLive else { throw .notPermitted }
            if case .running(let pid) = inspection.child, let child = try formerChild(pid, of: session) {
                guard pid != CurrentProcess.id else { throw .notPermitted }
                return run(ladder, session, completion) { ladder, done in
                    KeeperStop(orphan: child, of: session, in: paths, ladder: ladder, on: loop, completion: done)
                }
            }
        } catch {
            return loop.onNextTick { completion(.notPermitted) }
        }
        loop.onNextTick { [paths] in
            if inspection.finding != .absent {
                _ = KeeperCleanup.remove(session, paths: paths, makesPIDFile: true)
            }
            completion(.notFound)
        }
    }

    /// Ends a session, as above, with this time for each of the two steps.
    public func stop(_ session: SessionID, grace: Duration, completion: @escaping (StopResult) -> Void) {
        stop(session, ladder: StopLadder(endOfInput: grace, terminate: grace), completion: completion)
    }

    /// The session's keeper, held fast: as its files prove it, or, if they prove nothing, as it was tracked. A keeper
    /// started just now may not hold its lock yet.
    private func keeper(of session: SessionID, _ finding: KeeperInspection.Finding) throws(UVError) -> KeeperHold? {
        do throws(UVError) {
            if case .live(_?) = finding, let keeper = try KeeperHold(session, paths: paths) { return keeper }
        } catch .noProcess {
            return nil
        }
        return try tracked[session].flatMap { (keeper) throws(UVError) in try hold(keeper, session) }
    }

    /// The child of a dead keeper, held fast; nil if it has ended.
    func formerChild(_ pid: Int32, of session: SessionID) throws(UVError) -> ProcessDescriptor? {
        do throws(UVError) {
            let process = try ProcessDescriptor(of: pid)
            let identity = PIDFile(child: paths.childPID(for: session)).identity
            return identity?.pid == pid && identity?.isRunning == true ? process : nil
        } catch .noProcess {
            return nil
        }
    }

    private func run(
        _ ladder: StopLadder, _ session: SessionID, _ completion: @escaping (StopResult) -> Void,
        _ make: (StopLadder, @escaping (StopResult) -> Void) -> KeeperStop,
    ) {
        var id: ObjectIdentifier?
        let pid = tracked[session]?.pid
        let stop = make(ladder) { [weak self] result in
            if let id { self?.stops[id] = nil }
            switch result {
            case .stopped, .killed, .stillServed, .survived:
                // The host may have started another keeper as soon as this one ended.
                if let self, let keeper = tracked[session], keeper.pid == pid, !mayRun(keeper, session) {
                    tracked[session] = nil
                }
            case .notFound, .notPermitted, .closed, .failed: break
            }
            completion(result)
        }
        id = ObjectIdentifier(stop)
        stops[ObjectIdentifier(stop)] = stop
        logger.info("session told to end", metadata: ["session": "\(session)"])
        stop.start()
    }
}
