internal import KeeperProtocol
internal import Logging
internal import UVLoop

extension KeeperManager {
    /// Finds the keepers in the sessions directory, and cleans up after dead ones. `completion` runs once, on a later
    /// tick.
    ///
    /// - A live keeper is adopted: ``killKeeper(for:)-(SessionID)`` works on it.
    /// - A dead keeper's files are removed: socket, pid files, and old temporary files. Logs stay, and so does the file
    ///   that names a child which provably lives.
    /// - A live keeper whose child is dead gets SIGTERM, and its files are removed, if it is proven that the process is
    ///   the keeper and that its child has ended. For root only the keeper's lock proves the former.
    /// - Ended sessions are pruned afterwards, once an hour at most, as by ``prune(olderThan:keeping:completion:)``.
    /// - A keeper whose state cannot be decided, for instance for lack of permission, counts as live and is left alone.
    ///
    /// Files are read in libuv's thread pool, and the discovery waits for no keeper: 1,000 entries take a hundredth of
    /// a second, frozen keepers or not. A missing directory has no keepers. Mirrors `discoverExistingKeepers`.
    public func discoverExistingKeepers(completion: @escaping (Result<KeeperDiscovery, KeeperError>) -> Void) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        let now = ProcessDetails.uptime
        let ends = [
            KeeperPaths.keeperPIDEnd, KeeperPaths.childPIDEnd, KeeperPaths.temporarySocketEnd,
            KeeperPaths.temporaryFileEnd, KeeperPaths.recordEnd,
        ]
        queueWork(onDirectory: { [paths] in
            KeeperManager.names(in: paths, endingIn: ends).map { KeeperManager.sorted($0, paths) }
        }) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let (names, recorded)):
                self.inspect(names) { result in
                    switch result {
                    case .failure(let error): completion(.failure(error))
                    case .success(let slices): self.decide(slices, recorded, foundAt: now, completion)
                    }
                }
            }
        }
    }

    /// The names to look at, and the sessions that have a record.
    private static func sorted(_ names: [String], _ paths: KeeperPaths) -> (names: [String], recorded: Set<SessionID>) {
        var (others, recorded): ([String], Set<SessionID>) = ([], [])
        for name in names {
            if let session = paths.sessionID(ofRecordNamed: name) {
                recorded.insert(session)
            } else {
                others.append(name)
            }
        }
        return (withoutCompanions(others), recorded)
    }

    /// The sorted names without those children's pid files that have a keeper's beside them: one look serves both.
    private static func withoutCompanions(_ names: [String]) -> [String] {
        var result: [String] = []
        result.reserveCapacity(names.count)
        for (index, name) in names.enumerated() {
            guard name.utf8.reversed().starts(with: KeeperPaths.childPIDEnd.utf8.reversed()) else {
                result.append(name)
                continue
            }
            let keepers = Array(name.utf8.dropLast(KeeperPaths.childPIDEnd.utf8.count)) + KeeperPaths.keeperPIDEnd.utf8
            // The keeper's name comes next, except for temporary files.
            if !names[index...].contains(where: { $0.utf8.elementsEqual(keepers) }) { result.append(name) }
        }
        return result
    }

    /// The findings from a part of the directory.
    private struct Slice: Sendable {
        var inspections: [KeeperInspection] = []
        var foreign: [String] = []
    }

    /// Looks at the sessions that have a pid file, on all four threads of libuv's pool if there are many, and removes
    /// old temporary files.
    private func inspect(_ names: [String], completion: @escaping (Result<[Slice], KeeperError>) -> Void) {
        let child: KeeperInspection.Closeness = options.isChildAlive == nil ? .end : .notAtAll
        let count = max(1, min(4, names.count / 64))
        var slices = [Slice](repeating: Slice(), count: count)
        var failure: KeeperError?
        var slicesLeft = count
        for slice in 0..<count {
            let part = names[names.count * slice / count..<names.count * (slice + 1) / count]
            queueWork { [paths] in
                var found = Slice()
                found.inspections.reserveCapacity(part.count)
                for name in part {
                    let session =
                        paths.sessionID(ofKeeperPIDFileNamed: name) ?? paths.sessionID(ofChildPIDFileNamed: name)
                    if let session {
                        found.inspections.append(KeeperInspection(session, paths: paths, child: child))
                    } else if let foreign = paths.foreignSessionID(ofFileNamed: name) {
                        found.foreign.append(foreign)
                    } else {
                        KeeperCleanup.removeTemporary(named: name, in: paths)
                    }
                }
                return found
            } completion: { result in
                switch result {
                case .success(let found): slices[slice] = found
                case .failure(let error): failure = error
                }
                slicesLeft -= 1
                if slicesLeft == 0 { completion(failure.map { .failure($0) } ?? .success(slices)) }
            }
        }
    }

    /// - Parameter recorded: the sessions that have a record.
    private func decide(
        _ slices: [Slice],
        _ recorded: Set<SessionID>,
        foundAt: Duration,
        _ completion: @escaping (Result<KeeperDiscovery, KeeperError>) -> Void,
    ) {
        guard !isClosed else { return completion(.failure(.closed)) }
        var discovery = KeeperDiscovery(foreign: slices.flatMap(\.foreign))
        tracked.reserveCapacity(slices.reduce(0) { $0 + $1.inspections.count })
        // A record is written after the pid file, so a session that has a record and no pid file has ended.
        var ended = recorded
        // The dead sessions, each with the pid of its keeper if that was told to end.
        var dead: [(session: SessionID, terminated: Int32?)] = []
        for inspection in slices.lazy.flatMap(\.inspections) {
            let session = inspection.session
            if inspection.finding != .absent { ended.remove(session) }
            switch inspection.finding {
            case .live(let pid) where !hasLiveChild(inspection) && end(inspection):
                discovery.terminated.append(session)
                if tracked[session]?.pid == pid { tracked[session] = nil }
                dead.append((session, pid))
            case .live, .undecided: discovery.keepers.append(adopt(inspection, foundAt: foundAt))
            case .dead: dead.append((session, nil))
            case .absent: break
            }
        }
        discovery.ended = Array(ended)
        forgetEnded(except: discovery.keepers)
        guard !dead.isEmpty else { return finish(discovery, completion) }
        let terminated = Set(discovery.terminated)
        queueWork { [paths, dead] in
            var (removed, left): ([SessionID], [SessionID]) = ([], [])
            for (session, keeper) in dead {
                // A child's pid file alone is removed under the lock of a keeper's pid file too.
                if KeeperCleanup.remove(session, paths: paths, terminated: keeper, makesPIDFile: keeper == nil) {
                    removed.append(session)
                } else if keeper == nil, !KeeperInspection.finding(session, paths: paths).mayLive {
                    // The child of a keeper that was lost runs on, for instance.
                    left.append(session)
                }
            }
            return (removed, left)
        } completion: { result in
            guard case .success(let (removed, left)) = result else { return self.finish(discovery, completion) }
            discovery.removed = removed.filter { !terminated.contains($0) }
            discovery.ended += (discovery.removed + left).filter { recorded.contains($0) }
            // A new keeper may have been started while the files of the old one were removed.
            for session in discovery.removed {
                if let keeper = self.tracked[session], !self.mayRun(keeper, session) { self.tracked[session] = nil }
            }
            self.finish(discovery, completion)
        }
    }

    /// Tells a keeper whose child is dead to end; false if it is not proven that the process is the keeper.
    private func end(_ inspection: KeeperInspection) -> Bool {
        // A keeper without its raw socket has begun to end the session. SIGTERM would take from the child's own children the
        // time that they were given.
        guard KeeperConnect.isPresent(paths.socket(for: inspection.session)) else { return false }
        // The owner of an original keeper's directory could have prepared it for root to find.
        guard inspection.proof == .lock || CurrentProcess.userID != 0 else { return false }
        do throws(UVError) {
            guard case .live(let pid?) = inspection.finding,
                let keeper = try KeeperHold(inspection.session, paths: paths), keeper.pid == pid
            else { return false }
            return terminate(keeper, inspection.session)
        } catch {
            return false
        }
    }

    /// Forgets ended keepers. A keeper started here is forgotten when it ends. The end of a keeper that was found is
    /// not reported: its files are gone then, and it is not found again.
    private func forgetEnded(except found: [KeeperEntry]) {
        guard tracked.count > found.count else { return }
        let found = Set(found.map(\.session))
        tracked = tracked.filter { session, keeper in
            keeper.process != nil || found.contains(session) || mayRun(keeper, session)
        }
    }

    private func finish(
        _ discovery: KeeperDiscovery, _ completion: (Result<KeeperDiscovery, KeeperError>) -> Void
    ) {
        // Only news is logged: a host that looks every second must not fill its log.
        let isNews =
            discovery.keepers.count != discoveredCount || !discovery.removed.isEmpty || !discovery.terminated.isEmpty
        discoveredCount = discovery.keepers.count
        logger.log(
            level: isNews ? .info : .debug, "keepers discovered",
            metadata: [
                "live": "\(discovery.keepers.count)", "removed": "\(discovery.removed.count)",
                "terminated": "\(discovery.terminated.count)",
            ])
        pruneNowAndThen()
        completion(.success(discovery))
    }

    /// False if a live keeper's child is dead, by the host's word or by its pid file. True if that cannot be told.
    func hasLiveChild(_ inspection: KeeperInspection) -> Bool {
        guard case .live(let pid) = inspection.finding else { return true }
        return options.isChildAlive?(inspection.session, pid) ?? !inspection.child.isDead
    }

    /// The entry of a keeper that was found, tracked from now on if it is shown to be the keeper.
    ///
    /// - Parameter foundAt: a time, since the system booted, at which the keeper had its pid, or was about to get it.
    func adopt(_ inspection: KeeperInspection, foundAt: Duration) -> KeeperEntry {
        let (session, pid) = (inspection.session, inspection.finding.pid)
        // A keeper started here stays tracked with its process, even if it was started after the inspection.
        if case .live(let pid?) = inspection.finding, tracked[session]?.process?.isRunning != true {
            tracked[session] = Tracked(
                pid: pid, process: nil, foundAt: foundAt, isOurs: inspection.proof == .lock)
        }
        return KeeperEntry(session: session, keeperPID: pid, paths: paths)
    }
}
