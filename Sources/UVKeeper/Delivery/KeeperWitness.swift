internal import KeeperProtocol
internal import UVLoop

/// Tells whether the keeper that a connection was made to has lived until its end.
///
/// A keeper that ends closes its connections cleanly even if it held lines that its child's full pipe had not taken. But it
/// loses the lock on its pid file before: it lets go of it first when it ends in order, and the kernel takes a dead process's
/// locks before it closes its sockets. So a clean close confirms only while the keeper still holds its lock, or if it has
/// said, before it let go of it, that every line it had read was taken: by the mode 0400 of its pid file.
final class KeeperWitness {
    /// The process that listens; nil if the system does not tell.
    let pid: Int32?
    /// The socket file it was found at; nil if that is gone already.
    let socket: FileIdentity?
    private let evidence: Evidence

    private enum Evidence {
        /// It holds this lock.
        case lock(OpenFile, OpenFile.LockHolder)
        /// It has no lock: the original keeper, a foreign listener.
        case none
        /// It has no pid file, which every keeper makes, the original a moment after it listens.
        case missing(String)
    }

    init(pid: Int32?, socket: FileIdentity?, at socketPath: String) throws(UVError) {
        self.pid = pid
        self.socket = socket
        let path = socketPath + KeeperPaths.keeperPIDEnd
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            // A listener in a namespace that the system does not show has a lock whose holder it does not name.
            if let holder = try file.lockHolder(), pid.map({ holder == .process($0) }) ?? true {
                evidence = .lock(file, holder)
            } else {
                evidence = .none
            }
        } catch {
            switch error {
            case .noEntry where KeeperWitness.isKeepers(socketPath): evidence = .missing(path)
            // A keeper of ours makes a regular file, which its clients may read, where files can be locked.
            case .noEntry, .accessDenied, .symbolicLink, .isDirectory, .invalidArgument, .noLocks, .notSupported:
                evidence = .none
            default: throw error
            }
        }
    }

    var isLocked: Bool { if case .lock = evidence { true } else { false } }

    /// Whether a clean close now is one of a keeper that lives. Without a lock every clean close counts, as it always did;
    /// without a pid file none does, since that may have been removed from a keeper of ours.
    var holds: Bool {
        do throws(UVError) {
            switch evidence {
            case .lock(let file, let holder):
                if try file.lockHolder() == holder { return true }
                return try file.status().permissions == KeeperConstants.completePermissions
            case .none: return true
            case .missing(let path): return try OpenFile(path, .readOnly).lockHolder() == nil
            }
        } catch {
            return false
        }
    }

    /// Whether a path is one of a session, and no other listener's.
    private static func isKeepers(_ path: String) -> Bool {
        let paths = KeeperPaths(directory: Files.parent(of: path) ?? "/")
        return path.split(separator: "/").last.flatMap { paths.sessionID(ofSocketNamed: String($0)) } != nil
    }
}
