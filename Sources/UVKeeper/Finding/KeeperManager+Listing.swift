public import KeeperProtocol
internal import UVLoop

/// What is known of one session, for people and for monitoring.
public struct KeeperStatus: Hashable, Sendable {
    /// Whether there is a keeper, and a child.
    public enum State: String, Hashable, Sendable {
        /// Keeper and child live.
        case live
        /// The keeper lives, its child does not: it is about to end, or frozen.
        case childDead = "child-dead"
        /// The files are there, the keeper is not.
        case stale
        /// Something lives that cannot be shown to be the keeper; it is left alone.
        case undecided
    }

    /// The session.
    public let session: SessionID
    /// Its state.
    public let state: State
    /// The keeper's pid, if it lives and the system tells.
    public let keeperPID: Int32?
    /// The child's pid, if a process is shown to be the child; of a stale session, whose keeper is dead, one that runs on.
    public let childPID: Int32?
    /// How long the keeper has run; for a stale session, how long ago its pid file was written.
    public let age: Duration?
    /// Memory the keeper holds in RAM, in bytes.
    public let keeperMemory: UInt64?
    /// Memory the child holds in RAM, in bytes.
    public let childMemory: UInt64?
    /// Where the keeper listens.
    public let socketPath: String

    /// Nil if there is neither keeper nor file.
    init?(_ inspection: KeeperInspection, paths: KeeperPaths) {
        session = inspection.session
        childPID = inspection.child.pid
        socketPath = paths.socket(for: session)
        switch inspection.finding {
        case .live(let pid):
            state = inspection.child.isDead ? .childDead : .live
            keeperPID = pid
        case .undecided(let pid):
            state = .undecided
            keeperPID = pid
        case .dead:
            state = .stale
            keeperPID = nil
        case .absent: return nil
        }
        let details = keeperPID.flatMap { ProcessDetails(of: $0) }
        age =
            details.map { ProcessDetails.uptime - $0.startTime }
            ?? inspection.since.map { LibUV.wallClockTime - $0 }
        keeperMemory = details?.residentMemory
        childMemory = state == .live ? childPID.flatMap { ProcessDetails(of: $0)?.residentMemory } : nil
    }
}

extension KeeperManager {
    /// The state of one session, found out without changing anything; nil if there is neither keeper nor file.
    public func status(of session: SessionID) -> KeeperStatus? {
        KeeperStatus(KeeperInspection(session, paths: paths), paths: paths)
    }

    /// The state of every session in the directory, by session id, found out without changing anything. `completion` runs
    /// once, on a later tick; the work is done in libuv's thread pool.
    public func listKeepers(completion: @escaping (Result<[KeeperStatus], KeeperError>) -> Void) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        queueWork(onDirectory: { [paths] in KeeperManager.list(paths) }, completion: completion)
    }

    private static func list(_ paths: KeeperPaths) -> Result<[KeeperStatus], KeeperError> {
        let ends = [KeeperPaths.keeperPIDEnd, KeeperPaths.socketEnd, KeeperPaths.childPIDEnd]
        return names(in: paths, endingIn: ends).map { names in
            var seen: Set<SessionID> = []
            // A session that has lost all but one of its files is found by that.
            return names.compactMap {
                paths.sessionID(ofKeeperPIDFileNamed: $0) ?? paths.sessionID(ofSocketNamed: $0)
                    ?? paths.sessionID(ofChildPIDFileNamed: $0)
            }
            .filter { seen.insert($0).inserted }
            .compactMap { KeeperStatus(KeeperInspection($0, paths: paths), paths: paths) }
        }
    }

    /// The names in the sessions directory that end so, sorted, if no stranger can change it; a missing one has none.
    static func names(in paths: KeeperPaths, endingIn ends: [String]) -> Result<[String], KeeperError> {
        do throws(KeeperError) {
            try check(paths)
            do throws(UVError) {
                return .success(try Files.names(inDirectory: paths.directory, endingIn: ends))
            } catch .noEntry {
                return .success([])
            } catch {
                throw .using(paths.directory, error)
            }
        } catch {
            return .failure(error)
        }
    }
}
