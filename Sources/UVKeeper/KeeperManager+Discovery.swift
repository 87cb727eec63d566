public import KeeperProtocol
internal import Logging
internal import UVLoop

/// A keeper that was found.
public struct KeeperEntry: Hashable, Sendable {
    /// Its session.
    public let session: SessionID
    /// Its pid; nil if a keeper answers and the system does not tell which process it is.
    public let keeperPID: Int32?
    let paths: KeeperPaths

    /// Where it listens.
    public var socketPath: String { paths.socket(for: session) }
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
    /// Files are read in libuv's thread pool, and nothing waits for a keeper: 1,000 entries take a hundredth of a second,
    /// frozen keepers or not. A missing directory has no keepers. Mirrors `discoverExistingKeepers`.
    public func discoverExistingKeepers(completion: @escaping (Result<KeeperDiscovery, KeeperError>) -> Void) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        let now = ProcessDetails.uptime
        let ends = [KeeperPaths.keeperPIDEnd, KeeperPaths.temporarySocketEnd, KeeperPaths.temporaryFileEnd]
        queueWork(onDirectory: { [paths] in KeeperManager.names(in: paths, endingIn: ends) }) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let names):
                self.inspect(names) { result in
                    switch result {
                    case .failure(let error): completion(.failure(error))
                    case .success(let inspections): self.decide(inspections, foundAt: now, completion)
                    }
                }
            }
        }
    }

    /// Looks at the sessions that have a pid file, on all four threads of libuv's pool if there are many; old temporary
    /// files are removed.
    private func inspect(_ names: [String], completion: @escaping (Result<[[KeeperInspection]], KeeperError>) -> Void) {
        let looksForChild = options.isChildAlive == nil
        let slices = max(1, min(4, names.count / 64))
        var inspections = [[KeeperInspection]](repeating: [], count: slices)
        var failure: KeeperError?
        var slicesLeft = slices
        for slice in 0..<slices {
            let part = names[names.count * slice / slices..<names.count * (slice + 1) / slices]
            queueWork { [paths] in
                part.compactMap { name -> KeeperInspection? in
                    guard let session = paths.sessionID(ofKeeperPIDFileNamed: name) else {
                        KeeperCleanup.removeTemporary(named: name, in: paths)
                        return nil
                    }
                    return KeeperInspection(session, paths: paths, looksForChild: looksForChild)
                }
            } completion: { result in
                switch result {
                case .success(let found): inspections[slice] = found
                case .failure(let error): failure = error
                }
                slicesLeft -= 1
                if slicesLeft == 0 { completion(failure.map { .failure($0) } ?? .success(inspections)) }
            }
        }
    }

    private func decide(
        _ inspections: [[KeeperInspection]],
        foundAt: Duration,
        _ completion: @escaping (Result<KeeperDiscovery, KeeperError>) -> Void,
    ) {
        guard !isClosed else { return completion(.failure(.closed)) }
        var discovery = KeeperDiscovery()
        tracked.reserveCapacity(inspections.reduce(0) { $0 + $1.count })
        // With the pid of a keeper that was told to end.
        var dead: [(session: SessionID, terminated: Int32?)] = []
        for inspection in inspections.joined() {
            let session = inspection.session
            switch inspection.finding {
            case .live(let pid):
                let isChildAlive = options.isChildAlive?(session, pid) ?? inspection.isChildAlive
                let keeper = pid.map { Tracked(pid: $0, process: nil, foundAt: foundAt) }
                if !isChildAlive, let keeper, isStillItself(keeper, session), terminate(keeper.pid, session) {
                    discovery.terminated.append(session)
                    if tracked[session]?.pid == pid { tracked[session] = nil }
                    dead.append((session, pid))
                    continue
                }
                if let keeper { adopt(session, keeper) }
                discovery.keepers.append(entry(session, pid))
            case .undecided(let pid): discovery.keepers.append(entry(session, pid))
            case .dead: dead.append((session, nil))
            case .absent: break
            }
        }
        forgetEnded(except: discovery.keepers)
        guard !dead.isEmpty else { return finish(discovery, completion) }
        let terminated = Set(discovery.terminated)
        queueWork { [paths, dead] in
            dead.filter { KeeperCleanup.remove($0.session, paths: paths, terminated: $0.terminated) }.map(\.session)
        } completion: { result in
            guard case .success(let removed) = result else { return self.finish(discovery, completion) }
            discovery.removed = removed.filter { !terminated.contains($0) }
            // A new keeper may have been started while the files of the old one went.
            for session in discovery.removed {
                if let keeper = self.tracked[session], !self.isStillItself(keeper, session) {
                    self.tracked[session] = nil
                }
            }
            self.finish(discovery, completion)
        }
    }

    /// One that was started here is forgotten when it ends. Of one that was found nobody tells that: it removes its files,
    /// and is not found again.
    private func forgetEnded(except found: [KeeperEntry]) {
        guard tracked.count > found.count else { return }
        let found = Set(found.map(\.session))
        tracked = tracked.filter { session, keeper in
            keeper.process != nil || found.contains(session) || isStillItself(keeper, session)
        }
    }

    private func finish(
        _ discovery: KeeperDiscovery, _ completion: (Result<KeeperDiscovery, KeeperError>) -> Void
    ) {
        logger.info(
            "keepers discovered",
            metadata: [
                "live": "\(discovery.keepers.count)", "removed": "\(discovery.removed.count)",
                "terminated": "\(discovery.terminated.count)",
            ])
        completion(.success(discovery))
    }

    private func entry(_ session: SessionID, _ pid: Int32?) -> KeeperEntry {
        KeeperEntry(session: session, keeperPID: pid, paths: paths)
    }

    private func adopt(_ session: SessionID, _ keeper: Tracked) {
        guard keeper.pid > 1 else { return }
        // One that was started here stays tracked with its process, also if it was started since the other was found.
        if tracked[session]?.process?.isRunning == true { return }
        tracked[session] = keeper
    }
}
