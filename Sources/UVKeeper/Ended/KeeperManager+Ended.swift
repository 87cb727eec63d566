public import KeeperProtocol
internal import Logging
internal import UVLoop

/// The result of a pruning.
public struct PruneResult: Hashable, Sendable, Codable {
    /// The sessions whose leftovers were removed.
    public var sessions: [SessionID] = []
    /// The bytes of their records, output and logs.
    public var bytesFreed: UInt64 = 0
}

extension KeeperManager {
    /// The time for which ended sessions keep their record and output, unless told otherwise: seven days.
    public static let prunedAfter = Duration.seconds(7 * 86_400)
    /// The number of ended sessions that keep their record and output, unless told otherwise: 1,000.
    public static let keptEndedSessions = 1000

    /// Finds the sessions of the directory that have ended, the latest first, without changing anything. `completion`
    /// runs once, on a later tick; the work is done in libuv's thread pool.
    ///
    /// A session whose keeper was killed has ``/KeeperProtocol/SessionExit/Reason/keeperLost`` as its end.
    public func listEnded(completion: @escaping (Result<[SessionRecord], KeeperError>) -> Void) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        queueWork(
            onDirectory: { [paths] in
                KeeperManager.names(in: paths, endingIn: [KeeperPaths.recordEnd]).map { EndedSessions.list(paths, $0) }
            }, completion: completion)
    }

    /// Removes the leftovers of ended sessions: records, output and logs. `completion` runs once, on a later tick; the
    /// work is done in libuv's thread pool. A session started meanwhile keeps its own files.
    ///
    /// - Parameters:
    ///   - age: the least time since the end of a session that is pruned.
    ///   - count: the most ended sessions left, the latest.
    ///   - completion: called with the sessions and bytes removed.
    public func prune(
        olderThan age: Duration = prunedAfter, keeping count: Int = keptEndedSessions,
        completion: @escaping (Result<PruneResult, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        queueWork(
            onDirectory: { [paths] in
                KeeperManager.names(in: paths, endingIn: []).map { names in
                    let pruned = EndedSessions.prune(paths, names, olderThan: age, keeping: count)
                    return PruneResult(sessions: pruned.sessions, bytesFreed: pruned.bytes)
                }
            }, completion: completion)
    }

    /// Prunes with the usual limits, unasked by the host, at most once an hour.
    func pruneNowAndThen() {
        let now = SystemClock.monotonicTime
        guard !isClosed, prunedAt.map({ now - $0 >= .seconds(3600) }) ?? true else { return }
        prunedAt = now
        prune { [logger] result in
            guard case .success(let result) = result, !result.sessions.isEmpty else { return }
            logger.info("ended sessions pruned", metadata: ["sessions": "\(result.sessions.count)"])
        }
    }
}
