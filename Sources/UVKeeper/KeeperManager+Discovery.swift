public import KeeperProtocol
internal import Logging
internal import UVLoop

/// A keeper that was found.
public struct KeeperEntry: Hashable, Sendable {
    /// Its session.
    public let session: SessionID
    /// Its pid; nil if a keeper answers and the system does not tell which process it is.
    public let keeperPID: Int32?
    /// Where it listens.
    public let socketPath: String
}

/// What a discovery found and did.
public struct KeeperDiscovery: Hashable, Sendable {
    /// Live keepers, now tracked, by session id.
    public var keepers: [KeeperEntry] = []
    /// Sessions whose keeper was dead, and whose files were removed.
    public var removed: [SessionID] = []
    /// Sessions whose keeper lived without its child, and was told to end.
    public var terminated: [SessionID] = []
}

extension KeeperManager {
    /// Finds the keepers in the sessions directory and cleans up after dead ones. `completion` runs once, on a later tick.
    ///
    /// - A live keeper is adopted: ``killKeeper(for:)`` works on it.
    /// - A dead keeper's files are removed: socket, pid files, and old temporary files. Logs stay.
    /// - A live keeper whose child is dead gets SIGTERM, and its files are removed.
    /// - What cannot be decided, for instance for want of permission, counts as live and is left alone.
    ///
    /// Files are read in libuv's thread pool, and nothing waits for a keeper: 1,000 entries take a few hundredths of a
    /// second, frozen keepers or not. A missing directory has no keepers. Mirrors `discoverExistingKeepers`.
    public func discoverExistingKeepers(completion: @escaping (Result<KeeperDiscovery, KeeperError>) -> Void) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        loop.queueWork { [paths, asksForChild = options.isChildAlive == nil] in
            KeeperManager.scan(paths, asksForChild: asksForChild)
        } completion: { result in
            switch result {
            case .failure(let error): completion(.failure(.file(self.sessionsDirectory, error)))
            case .success(let found): self.decide(found, completion)
            }
        }
    }

    /// What the scan finds out on a thread of the pool, so that the loop has nothing to ask the system.
    private struct Found: Sendable {
        let inspection: KeeperInspection
        let isChildAlive: Bool
        /// Of the keeper.
        let startTime: Duration?

        init(_ session: SessionID, paths: KeeperPaths, asksForChild: Bool) {
            inspection = KeeperInspection(session, paths: paths)
            guard case .live(let pid) = inspection.finding else {
                (isChildAlive, startTime) = (true, nil)
                return
            }
            isChildAlive = asksForChild ? inspection.isChildAlive : true
            startTime = pid.flatMap { ProcessDetails(of: $0)?.startTime }
        }
    }

    private static func scan(_ paths: KeeperPaths, asksForChild: Bool) -> Result<[Found], UVError> {
        let names: [String]
        do throws(UVError) {
            names = try Files.names(inDirectory: paths.directory)
        } catch {
            return error == .noEntry ? .success([]) : .failure(error)
        }
        KeeperCleanup.removeTemporaries(
            named: names.filter {
                KeeperPaths.isTemporarySocketName($0) || KeeperPaths.isTemporaryFileName($0)
            }, in: paths)
        return .success(
            names.compactMap { paths.sessionID(ofKeeperPIDFileNamed: $0) }
                .map { Found($0, paths: paths, asksForChild: asksForChild) })
    }

    private func decide(
        _ found: [Found],
        _ completion: @escaping (Result<KeeperDiscovery, KeeperError>) -> Void,
    ) {
        guard !isClosed else { return completion(.failure(.closed)) }
        var discovery = KeeperDiscovery()
        var dead: [SessionID] = []
        for one in found {
            let session = one.inspection.session
            switch one.inspection.finding {
            case .live(let pid):
                let isChildAlive = options.isChildAlive?(session, pid) ?? one.isChildAlive
                if !isChildAlive, let pid, terminate(pid, session) {
                    discovery.terminated.append(session)
                    tracked[session] = nil
                    dead.append(session)
                    continue
                }
                adopt(session, pid, startTime: one.startTime)
                discovery.keepers.append(entry(session, pid))
            case .undecided(let pid): discovery.keepers.append(entry(session, pid))
            case .dead: dead.append(session)
            case .absent: break
            }
        }
        let terminated = Set(discovery.terminated)
        loop.queueWork { [paths, dead] in
            dead.filter { KeeperCleanup.remove($0, paths: paths, isTerminated: terminated.contains($0)) }
        } completion: { removed in
            discovery.removed = removed.filter { !terminated.contains($0) }
            for session in discovery.removed { self.tracked[session] = nil }
            self.logger.info(
                "keepers discovered",
                metadata: [
                    "live": "\(discovery.keepers.count)", "removed": "\(discovery.removed.count)",
                    "terminated": "\(discovery.terminated.count)",
                ])
            completion(.success(discovery))
        }
    }

    private func entry(_ session: SessionID, _ pid: Int32?) -> KeeperEntry {
        KeeperEntry(session: session, keeperPID: pid, socketPath: paths.socket(for: session))
    }

    private func adopt(_ session: SessionID, _ pid: Int32?, startTime: Duration?) {
        guard let pid, pid > 1, tracked[session]?.pid != pid else { return }
        tracked[session] = Tracked(pid: pid, startTime: startTime, process: nil)
    }
}
