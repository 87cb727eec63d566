internal import KeeperProtocol
internal import UVLoop

/// The file with the child's pid, by which servers tell whether a keeper's child lives. An absent file means alive, so
/// a keeper that cannot write the file goes on without it.
struct ChildPIDFile {
    private let path: String
    private let identity: FileIdentity
    private let pid: Int32

    /// Writes the file under a temporary name and renames it, so that no reader sees it empty. The child's identity is
    /// kept with the file.
    init(
        _ pid: Int32, _ process: ProcessIdentity?, session: SessionID, paths: KeeperPaths,
    ) throws(UVError) {
        path = paths.childPID(for: session)
        self.pid = pid
        let (file, temporary) = try PIDFile.make(pid, for: path, paths: paths)
        do throws(UVError) {
            if let process { ChildPIDFile.keep(process, with: file) }
            identity = file.statusAtOpening.identity
            try Files.rename(temporary, to: path)
        } catch {
            PIDFile.removeTemporary(temporary)
            throw error
        }
    }

    private static func keep(_ process: ProcessIdentity, with file: OpenFile) {
        do throws(UVError) {
            try ChildIdentity.keep(process, with: file)
        } catch {
            // The file system has no attributes: the file has only the number, which proves nothing once the keeper is
            // dead.
        }
    }

    /// Removes the file left by a dead keeper of the session, while its successor holds the lock: until the new child's
    /// file is there, a server would take the old number for the new child's.
    ///
    /// - Throws: ``KeeperFailure`` if the former child provably still runs: two children would share a transcript.
    static func removeFormer(of session: SessionID, paths: KeeperPaths) throws(KeeperFailure) {
        let path = paths.childPID(for: session)
        let former = PIDFile(child: path)
        guard former.exists else { return }
        if let child = former.identity, child.isRunning {
            throw .sessionTaken(
                "its former child \(child.pid) still runs without a keeper; end it first: uvkeeper kill \(session)")
        }
        do throws(UVError) {
            try Files.unlinkIfPresent(path)
        } catch {
            // The path may be a directory; then the child's own file cannot be written either, and that error is
            // logged.
        }
    }

    /// Removes the file if it is still this keeper's: the same file with the same pid in it. The file is not held open,
    /// which would cost the clients a descriptor, so its inode number alone may belong to another file by now.
    func remove() throws(UVError) {
        let found = PIDFile(number: path)
        // If no descriptor is left to read the file, its identity, which `unlink` compares, is nearly as good.
        guard found.isUndecided || found.pid == pid else { return }
        try Files.unlink(path, ifStill: identity)
    }
}
