internal import KeeperProtocol
internal import UVLoop

/// Tells whether the keeper that a connection was made to has lived until its end.
///
/// A keeper that ends closes its connections cleanly even if it held lines that its child's full pipe had not taken. But it
/// loses the lock on its pid file before: it lets go of it first when it ends in order, and the kernel takes a dead process's
/// locks before it closes its sockets. So a clean close confirms only while the keeper still holds its lock.
final class KeeperWitness {
    /// The process that listens; nil if the system does not tell.
    let pid: Int32?
    /// The socket file it was found at; nil if that is gone already.
    let socket: FileIdentity?
    private let lock: (file: OpenFile, holder: OpenFile.LockHolder)?
    /// Every keeper makes a pid file, the original too. Where that was removed nothing tells how this one ends.
    private let isMissing: Bool

    init(pid: Int32?, at endpoint: KeeperEndpoint) throws(UVError) {
        self.pid = pid
        socket = endpoint.currentSocket
        var isMissing = false
        do throws(UVError) {
            let file = try OpenFile(endpoint.path + ".pid", .readOnly)
            // A listener in a namespace that the system does not show has a lock whose holder it does not name.
            if let holder = try file.lockHolder(), pid.map({ holder == .process($0) }) ?? true {
                lock = (file, holder)
            } else {
                lock = nil
            }
        } catch {
            switch error {
            case .noEntry where KeeperWitness.isKeepers(endpoint.path):
                lock = nil
                isMissing = true
            // A keeper of ours makes a regular file, which its clients may read, where files can be locked.
            case .noEntry, .accessDenied, .symbolicLink, .isDirectory, .invalidArgument, .noLocks, .notSupported:
                lock = nil
            default: throw error
            }
        }
        self.isMissing = isMissing
    }

    var isLocked: Bool { lock != nil }

    /// Whether a clean close now is one of a keeper that lives. Where there is no lock (the original keeper, a foreign
    /// listener) every clean close counts, as it always did; where a keeper's pid file is missing, none.
    var holds: Bool {
        guard let lock else { return !isMissing }
        do throws(UVError) { return try lock.file.lockHolder() == lock.holder } catch { return false }
    }

    /// Whether a path is one of a session, and no other listener's.
    private static func isKeepers(_ path: String) -> Bool {
        let paths = KeeperPaths(directory: Files.parent(of: path) ?? "/")
        return path.split(separator: "/").last.flatMap { paths.sessionID(ofSocketNamed: String($0)) } != nil
    }
}
