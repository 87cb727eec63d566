internal import KeeperProtocol
internal import UVLoop

/// The file with the child's pid, by which servers tell whether a keeper's child lives. Absent means alive, so a keeper
/// that cannot write it goes on without.
struct ChildPIDFile {
    private let path: String
    private let identity: FileIdentity
    private let contents: [UInt8]

    /// Writes the file under a temporary name and renames it, so that it is never seen empty.
    init(_ pid: Int32, session: SessionID, paths: KeeperPaths) throws(UVError) {
        path = paths.childPID(for: session)
        let temporary = paths.temporaryFile(for: path, random: .random(in: .min ... .max))
        contents = Array(String(pid).utf8)
        let file = try OpenFile(temporary, .createNew)
        do throws(UVError) {
            try file.write(contents)
            identity = try file.status().identity
            try Files.rename(temporary, to: path)
        } catch {
            do throws(UVError) { try Files.unlinkIfPresent(temporary) } catch { throw error }
            throw error
        }
    }

    /// Removes the file if it is still this keeper's: the same file with the same pid in it. The file is not held open,
    /// which would take a descriptor from the clients, so its inode number alone may be somebody else's by now.
    func remove() throws(UVError) {
        do throws(UVError) {
            guard try Files.read(path, limit: contents.count + 1) == contents else { return }
        } catch {
            // Gone, or no file any more: not ours.
            return
        }
        try Files.unlink(path, ifStill: identity)
    }
}
