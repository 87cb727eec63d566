internal import KeeperProtocol
internal import UVLoop

extension KeeperManager {
    /// What became of a keeper that was to be stopped.
    public enum StopResult: Hashable, Sendable {
        /// There was none; leftovers of a dead one are removed.
        case notFound
        /// It has ended, and its child with it.
        case stopped
        /// It did not end on SIGTERM and was killed, with its process group; its files were removed. A child that has left
        /// the group, and does not end when its stdin does, lives on.
        case killed
        /// It runs on.
        case survived
        /// It belongs to somebody else, or cannot be shown to be a keeper; nothing was signalled.
        case notPermitted
        /// The manager, or every handle of its loop, was closed first. The keeper may have been signalled and may run on.
        case closed
    }

    /// Stops a session for good and waits for it: SIGTERM to the keeper's process group, SIGKILL after `grace`, then
    /// whatever files are left are removed. Works on any keeper in the directory, tracked or not. `completion` runs once,
    /// on a later tick.
    public func stopKeeper(
        for id: String,
        grace: Duration = .seconds(2),
        completion: @escaping (StopResult) -> Void,
    ) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.closed) } }
        guard let session = try? SessionID(id) else { return loop.onNextTick { completion(.notFound) } }
        let finding = KeeperInspection.finding(session, paths: paths)
        // One that was started just now may not hold its lock yet.
        let started = tracked[session].flatMap { $0.process != nil && isStillItself($0, session) ? $0.pid : nil }
        switch (finding, started) {
        // A program that serves the session itself must not end itself for it.
        case (.live(nil), _), (.live(Processes.currentID), _): loop.onNextTick { completion(.notPermitted) }
        case (.live(let pid?), _), (_, let pid?): end(pid, session, grace, completion)
        case (.undecided, nil): loop.onNextTick { completion(.notPermitted) }
        case (.absent, nil): loop.onNextTick { completion(.notFound) }
        case (.dead, nil):
            loop.onNextTick { [paths] in
                _ = KeeperCleanup.remove(session, paths: paths, makesPIDFile: true)
                completion(.notFound)
            }
        }
    }

    private func end(
        _ pid: Int32, _ session: SessionID, _ grace: Duration, _ completion: @escaping (StopResult) -> Void,
    ) {
        var id: ObjectIdentifier?
        let stop = Processes.startKilling(pid, group: true, grace: grace, on: loop) { [weak self, paths] result in
            if let id { self?.stops[id] = nil }
            switch result {
            case .canceled: return completion(.closed)
            case .survived: return completion(.survived)
            case .notPermitted: return completion(.notPermitted)
            case .ended, .killed: break
            }
            // The host may have started another one as soon as this one ended.
            if self?.tracked[session]?.pid == pid { self?.tracked[session] = nil }
            _ = KeeperCleanup.remove(session, paths: paths, makesPIDFile: true)
            completion(result == .killed ? .killed : .stopped)
        }
        id = ObjectIdentifier(stop)
        stops[ObjectIdentifier(stop)] = stop
    }
}
