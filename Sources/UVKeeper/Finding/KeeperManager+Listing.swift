public import KeeperProtocol
internal import UVLoop

extension KeeperManager {
    /// The state of a session, found out without changing anything; nil if there is neither keeper nor file.
    public func status(of session: SessionID) -> KeeperStatus? {
        KeeperStatus(KeeperInspection(session, paths: paths), paths: paths)
    }

    /// Finds the state of every session in the directory, by session id, without changing anything. `completion` runs
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
            // A session may be left with a single one of its files; any of them is enough.
            return names.compactMap {
                paths.sessionID(ofKeeperPIDFileNamed: $0) ?? paths.sessionID(ofSocketNamed: $0)
                    ?? paths.sessionID(ofChildPIDFileNamed: $0)
            }
            .filter { seen.insert($0).inserted }
            .compactMap { KeeperStatus(KeeperInspection($0, paths: paths), paths: paths) }
        }
    }

    /// The names in the sessions directory with one of these ends, sorted; fails if a stranger can change the
    /// directory. A missing directory has none.
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
