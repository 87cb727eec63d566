internal import KeeperProtocol
internal import UVLoop

extension KeeperManager {
    /// What became of a keeper that was to be stopped.
    public enum StopResult: Hashable, Sendable {
        /// There was none; leftovers of a dead one are removed.
        case notFound
        /// It has ended, and its child with it.
        case stopped
        /// It did not end on SIGTERM and was killed, with its child; its files were removed.
        case killed
        /// It runs on.
        case survived
        /// It belongs to somebody else, or cannot be shown to be a keeper; nothing was signalled.
        case notPermitted
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
        guard let session = try? SessionID(id) else { return loop.onNextTick { completion(.notFound) } }
        let paths = paths
        switch KeeperInspection.finding(session, paths: paths) {
        case .absent: loop.onNextTick { completion(.notFound) }
        case .dead:
            loop.onNextTick {
                _ = KeeperCleanup.remove(session, paths: paths)
                completion(.notFound)
            }
        // A program that serves the session itself must not end itself for it.
        case .undecided, .live(nil), .live(Processes.currentID): loop.onNextTick { completion(.notPermitted) }
        case .live(let pid?):
            Processes.killProcess(pid, group: true, grace: grace, on: loop) { [weak self] result in
                switch result {
                case .survived: return completion(.survived)
                case .notPermitted: return completion(.notPermitted)
                case .ended, .killed: break
                }
                self?.tracked[session] = nil
                _ = KeeperCleanup.remove(session, paths: paths)
                completion(result == .killed ? .killed : .stopped)
            }
        }
    }
}
