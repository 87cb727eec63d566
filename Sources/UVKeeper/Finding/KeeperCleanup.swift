internal import KeeperProtocol
internal import UVLoop

/// Removes the files of dead keepers, and only theirs.
enum KeeperCleanup {
    /// Removes a dead session's files while holding the lock of its pid file, which keeps a keeper that is just starting
    /// from taking over in between. Safe on any thread; nothing here waits.
    ///
    /// The file of a child that is shown to run stays: it is the last trace of it.
    ///
    /// - Parameters:
    ///   - terminated: the keeper that lives and has been told to end; its files go although it holds the lock and its
    ///     socket still accepts.
    ///   - makesPIDFile: make the pid file for its lock if it is missing; else other files stay without it.
    /// - Returns: false if they were left: a keeper has come back, or something else has their names.
    static func remove(
        _ session: SessionID, paths: KeeperPaths, terminated: Int32? = nil, makesPIDFile: Bool = false,
    ) -> Bool {
        let pidPath = paths.keeperPID(for: session)
        do throws(UVError) {
            let (file, isMade) = try pidFile(pidPath, makesPIDFile)
            // Closing releases the lock, after the file is gone.
            defer { file.close() }
            // The file of a terminated keeper is locked by it, or, of an original one, by nobody.
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
                // One that was told to end tells itself how it ended.
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

    /// Writes into the record that nobody knows how the session ended, and gives back the room for a last one.
    private static func noteLost(_ session: SessionID, _ paths: KeeperPaths, childRuns: Bool) {
        let path = paths.record(for: session)
        guard var record = SessionRecord(at: path), record.exit == nil else { return }
        var exit = SessionExit(reason: .keeperLost, at: SessionRecord.now)
        exit.childStillRan = childRuns
        record.exit = exit
        do throws(UVError) {
            try Files.unlinkIfPresent(paths.reserve(for: session, epoch: record.epoch))
            try SessionRecord.replace(path, with: record.fileBytes, paths: paths)
        } catch {
            // The record goes on saying that the session has not ended, and its lock that no keeper lives.
        }
    }

    private static func pidFile(_ path: String, _ isMade: Bool) throws(UVError) -> (OpenFile, isMade: Bool) {
        do throws(UVError) {
            return (try OpenFile(path, .readWrite), false)
        } catch .noEntry where isMade {
            return (try OpenFile(path, .createNew), true)
        }
    }

    /// Removes a file that a killed keeper left under a temporary name more than a minute ago; no other.
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
            // Gone already, or not ours to remove; it takes a few bytes and disturbs nobody.
            return
        }
    }

    /// - Returns: false if somebody else than the terminated keeper listens on it after all.
    private static func removeSocket(_ path: String, of terminated: Int32?) throws(UVError) -> Bool {
        do throws(UVError) {
            let status = try Files.status(of: path, followingLinks: false)
            switch SocketProbe(path) {
            // Missing: it went just now.
            case .refused, .missing: break
            // Without a pid its backlog is full: a frozen keeper's, most likely its own.
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

    /// A directory in its place stays, and keeps nothing else from being removed.
    ///
    /// - Returns: false if it names a child that runs.
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
