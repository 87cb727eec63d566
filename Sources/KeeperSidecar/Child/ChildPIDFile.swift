internal import KeeperProtocol
internal import UVLoop

/// The file with the child's pid, by which servers tell whether a keeper's child lives. Absent means alive, so a keeper
/// that cannot write it goes on without.
struct ChildPIDFile {
    private let path: String
    private let identity: FileIdentity
    private let pid: Int32

    /// Writes the file under a temporary name and renames it, so that it is never seen empty. The child's identity is kept
    /// with it.
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
            // A file system without attributes: the number is all there is, and proves nothing once the keeper is dead.
        }
    }

    /// Removes what a dead keeper of the session has left, under the lock of its successor: until the new child's file is
    /// there, a server would take the old one's number for it.
    ///
    /// - Throws: ``KeeperFailure`` if that child provably still runs: two would share a transcript.
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
            // A directory, perhaps; the child's own file will not find room either, and says so.
        }
    }

    /// Removes the file if it is still this keeper's: the same file with the same pid in it. The file is not held open,
    /// which would take a descriptor from the clients, so its inode number alone may be somebody else's by now.
    func remove() throws(UVError) {
        let found = PIDFile(number: path)
        // Without a descriptor to read it by, its identity is nearly as good.
        guard found.isUndecided || found.pid == pid else { return }
        try Files.unlink(path, ifStill: identity)
    }
}
