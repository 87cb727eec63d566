internal import KeeperProtocol
internal import UVLoop

/// The removal of dead keepers' files, and only theirs.
enum KeeperCleanup {
    /// Removes a dead session's files while holding the lock of its pid file, so that a starting keeper cannot take
    /// over in between. Safe on any thread; the call never waits.
    ///
    /// The file of a child that is shown to run stays: it is the child's last trace.
    ///
    /// - Parameters:
    ///   - terminated: the keeper that lives and has been told to end; its files go although it holds the lock and its
    ///     socket still accepts.
    ///   - makesPIDFile: true to make a missing pid file for its lock; else the other files stay if it is missing.
    /// - Returns: false if the files were left: a keeper has come back, or something else has their names.
    static func remove(
        _ session: SessionID, paths: KeeperPaths, terminated: Int32? = nil, makesPIDFile: Bool = false,
    ) -> Bool {
        let pidPath = paths.keeperPID(for: session)
        do throws(UVError) {
            let (file, isMade) = try pidFile(pidPath, makesPIDFile)
            // The lock is released by closing, after the file is gone.
            defer { file.close() }
            // A terminated keeper's file is locked by the keeper, or, if it is an original one, not at all.
            if try !file.lockForDescription() {
                guard let terminated, try file.lockHolder() == .process(terminated) else { return false }
            }
            let identity = try file.status().identity
            guard try Files.status(of: pidPath, followingLinks: false).identity == identity else { return false }
            do throws(UVError) {
                guard try removeSocket(paths.socket(for: session), of: terminated),
                    try removeSocket(paths.channel(for: session), of: terminated)
                else {
                    if isMade { try Files.unlink(pidPath, ifStill: identity) }
                    return false
                }
                let isChildLeft = try !removeChildFile(paths.childPID(for: session))
                // A keeper that was told to end records the end itself.
                if terminated == nil { noteLost(session, paths, childRuns: isChildLeft) }
                return try Files.unlink(pidPath, ifStill: identity) && !(isMade && isChildLeft)
            } catch {
                if isMade { try Files.unlink(pidPath, ifStill: identity) }
                throw error
            }
        } catch {
            return false
        }
    }

    /// Writes into the record that the keeper was lost, and removes the file with room for a last record and the
    /// session's control group.
    private static func noteLost(_ session: SessionID, _ paths: KeeperPaths, childRuns: Bool) {
        let path = paths.record(for: session)
        guard var record = SessionRecord(at: path), record.exit == nil else { return }
        LeftGroups.remove(of: record)
        var exit = SessionExit(reason: .keeperLost, at: SessionRecord.now)
        exit.childStillRan = childRuns
        record.exit = exit
        do throws(UVError) {
            try Files.unlinkIfPresent(paths.reserve(for: session, epoch: record.epoch))
            try SessionRecord.replace(path, with: record.fileBytes, paths: paths)
        } catch {
            // The record goes on saying that the session has not ended, and the free lock that no keeper lives.
        }
    }

    private static func pidFile(_ path: String, _ isMade: Bool) throws(UVError) -> (OpenFile, isMade: Bool) {
        do throws(UVError) {
            return (try OpenFile(path, .readWrite), false)
        } catch .noEntry where isMade {
            return (try OpenFile(path, .createNew), true)
        }
    }

    /// Removes a file left under a temporary name by a killed keeper more than a minute ago; no other file.
    static func removeTemporary(named name: String, in paths: KeeperPaths) {
        guard KeeperPaths.isTemporarySocketName(name) || KeeperPaths.isTemporaryFileName(name) else { return }
        let path = "\(paths.directory)/\(name)"
        do throws(UVError) {
            let status = try Files.status(of: path, followingLinks: false)
            guard SystemClock.wallClockTime - status.modifiedAt > .seconds(60) else { return }
            switch status.kind {
            case .socket: if case .refused = SocketProbe(path) { try Files.unlink(path, ifStill: status.identity) }
            case .regular: try Files.unlink(path, ifStill: status.identity)
            default: return
            }
        } catch {
            // The file is gone already, or not ours to remove; it takes a few bytes and does no harm.
            return
        }
    }

    /// Removes a socket.
    ///
    /// - Returns: false if another process than the terminated keeper listens on it after all.
    private static func removeSocket(_ path: String, of terminated: Int32?) throws(UVError) -> Bool {
        do throws(UVError) {
            let status = try Files.status(of: path, followingLinks: false)
            switch SocketProbe(path) {
            // A missing socket was removed just now.
            case .refused, .missing: break
            // A socket with a full backlog tells no pid: most likely it is the frozen keeper's own.
            case .accepting(let pid):
                guard let terminated, pid == nil || pid == terminated else { return false }
            case .failed: return false
            }
            try Files.unlink(path, ifStill: status.identity)
        } catch .noEntry {
            return true
        }
        return true
    }

    /// Removes the child's pid file. A directory in its place stays, and does not keep other files from being removed.
    ///
    /// - Returns: false if the file names a child that runs.
    private static func removeChildFile(_ path: String) throws(UVError) -> Bool {
        do throws(UVError) {
            guard try Files.status(of: path, followingLinks: false).kind != .directory else { return true }
            if PIDFile(child: path).identity?.isRunning == true { return false }
            try Files.unlink(path)
        } catch .noEntry {
            return true
        }
        return true
    }
}
