internal import KeeperProtocol
internal import UVLoop

/// The claim on a session: an advisory lock on its pid file, which ends with this process, however it ends.
///
/// The pid file appears under its final name complete and locked: it is written and locked under a temporary name, then
/// renamed. If a dead keeper left a file, the rename replaces it, under the lock of that file too. Among any number of
/// keepers started at once one wins, and no reader ever sees an empty file.
final class SessionClaim {
    enum Answer {
        case claimed(SessionClaim)
        /// A keeper holds the session; the text says which.
        case taken(String)
        /// The lock of a dead keeper's file is held for a moment, by another keeper taking over or a server cleaning
        /// up. Try again soon.
        case contended
    }

    private let path: String
    private let file: OpenFile
    private let identity: FileIdentity

    private init(path: String, file: OpenFile, identity: FileIdentity) {
        self.path = path
        self.file = file
        self.identity = identity
    }

    /// Tries to claim the session.
    ///
    /// - Parameter shown: the paths for messages.
    static func attempt(
        _ session: SessionID, paths: KeeperPaths, shown: KeeperPaths,
    ) throws(KeeperFailure) -> Answer {
        let path = paths.keeperPID(for: session)
        do throws(UVError) {
            let (file, temporary): (OpenFile, String)
            do throws(UVError) {
                (file, temporary) = try PIDFile.make(CurrentProcess.id, for: path, paths: paths)
            } catch .exists {
                return .contended
            }
            var isNamed = false
            defer { if !isNamed { PIDFile.removeTemporary(temporary) } }
            // The lock cannot be contended: the file is still unknown to others.
            _ = try file.lockForProcess()
            let claim = SessionClaim(path: path, file: file, identity: file.statusAtOpening.identity)
            do throws(UVError) {
                try Files.rename(temporary, toNew: path)
                isNamed = true
                return .claimed(claim)
            } catch .exists {
                return try claim.replaceStale(from: temporary)
            }
        } catch {
            let path = shown.keeperPID(for: session)
            throw .badConfiguration("cannot write the pid file \(path): \(error)\(SessionClaim.advice(error))")
        }
    }

    /// True if the session is still this keeper's: the file at its path is the locked one.
    var holds: Bool {
        do throws(UVError) {
            return try Files.status(of: path, followingLinks: false).identity == identity
        } catch {
            return false
        }
    }

    /// Gives the session up: removes the pid file if it is still this keeper's, then releases the lock. An original
    /// keeper started for the session has written its own pid into the file, which then belongs to that keeper.
    func release() throws(UVError) {
        defer { file.close() }
        guard try PIDFile.number(in: file) == CurrentProcess.id else { return }
        try Files.unlink(path, ifStill: identity)
    }

    private func replaceStale(from temporary: String) throws(UVError) -> Answer {
        let stale: OpenFile
        do throws(UVError) {
            stale = try OpenFile(path, .readWrite)
        } catch .noEntry {
            return .contended
        }
        defer { stale.close() }
        guard try stale.lockForProcess() else {
            // A keeper's lock is held by the process whose pid is in the file; any other lock is about to end.
            guard let owner = try PIDFile.number(in: stale), try stale.lockHolder() == .process(owner) else {
                return .contended
            }
            return .taken("its pid file is locked by process \(owner)")
        }
        // While this lock was awaited, its former holder may have replaced the file by a live one.
        do throws(UVError) {
            guard try Files.status(of: path, followingLinks: false).identity == stale.status().identity else {
                return .contended
            }
        } catch .noEntry {
            return .contended
        }
        try Files.rename(temporary, to: path)
        return .claimed(self)
    }

    private static func advice(_ error: UVError) -> String {
        switch error {
        case .symbolicLink, .isDirectory, .invalidArgument: "; something that is no file has its name: remove it"
        case .notPermitted, .notSupported, .notImplemented, .tooManyLinks:
            "; the sessions directory must be on a file system with RENAME_NOREPLACE or hard links"
        default: ""
        }
    }
}
