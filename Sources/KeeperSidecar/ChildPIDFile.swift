internal import KeeperProtocol
internal import UVLoop

/// The file with the child's pid, by which servers tell whether a keeper's child lives. Absent means alive, so a keeper
/// that cannot write it goes on without.
struct ChildPIDFile {
    private let path: String
    private let identity: FileIdentity
    private let contents: [UInt8]

    /// Writes the file under a temporary name and renames it, so that it is never seen empty. The child's identity is kept
    /// with it.
    init(_ pid: Int32, session: SessionID, paths: KeeperPaths) throws(UVError) {
        path = paths.childPID(for: session)
        let temporary = paths.temporaryFile(for: path, random: .random(in: .min ... .max))
        contents = Array(String(pid).utf8)
        let file = try OpenFile(temporary, .createNew)
        do throws(UVError) {
            try file.write(contents)
            ChildPIDFile.keepIdentity(of: pid, with: file)
            identity = try file.status().identity
            try Files.rename(temporary, to: path)
        } catch {
            do throws(UVError) { try Files.unlinkIfPresent(temporary) } catch { throw error }
            throw error
        }
    }

    private static func keepIdentity(of pid: Int32, with file: OpenFile) {
        guard let identity = ProcessIdentity(of: pid) else { return }
        do throws(UVError) {
            try ChildIdentity.keep(identity, with: file)
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
        if let child = former(path), child.isRunning {
            throw .sessionTaken(
                "its former child \(child.pid) still runs without a keeper; end it first: uvkeeper kill \(session)")
        }
        do throws(UVError) {
            try Files.unlinkIfPresent(path)
        } catch {
            // A directory, perhaps; the child's own file will not find room either, and says so.
        }
    }

    private static func former(_ path: String) -> ProcessIdentity? {
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            guard let pid = Int32(String(decoding: try file.read(limit: 32), as: UTF8.self)) else { return nil }
            return ChildIdentity.of(pid, in: file)
        } catch {
            return nil
        }
    }

    /// Removes the file if it is still this keeper's: the same file with the same pid in it. The file is not held open,
    /// which would take a descriptor from the clients, so its inode number alone may be somebody else's by now.
    func remove() throws(UVError) {
        do throws(UVError) {
            guard try Files.read(path, limit: contents.count + 1) == contents else { return }
        } catch {
            switch error {
            // Gone, or no file any more: not ours.
            case .noEntry, .isDirectory, .symbolicLink, .invalidArgument: return
            // No descriptor to read it by, for instance: its identity is nearly as good.
            default: break
            }
        }
        try Files.unlink(path, ifStill: identity)
    }
}
