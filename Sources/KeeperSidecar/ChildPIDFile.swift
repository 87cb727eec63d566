internal import KeeperProtocol
internal import UVLoop

/// The file with the child's pid, by which servers tell whether a keeper's child lives. Absent means alive, so a keeper
/// that cannot write it goes on without.
struct ChildPIDFile {
    private let path: String
    private let identity: FileIdentity

    /// Writes the file under a temporary name and renames it, so that it is never seen empty.
    init(_ pid: Int32, session: SessionID, paths: KeeperPaths) throws(UVError) {
        path = paths.childPID(for: session)
        let temporary = paths.temporaryFile(for: path, random: .random(in: .min ... .max))
        let file = try OpenFile(temporary, .createNew)
        do throws(UVError) {
            try file.write(Array(String(pid).utf8))
            identity = try file.status().identity
            try Files.rename(temporary, to: path)
        } catch {
            do throws(UVError) { try Files.unlinkIfPresent(temporary) } catch { throw error }
            throw error
        }
    }

    func remove() throws(UVError) {
        try Files.unlink(path, ifStill: identity)
    }
}
