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

    init(pid: Int32?, at endpoint: KeeperEndpoint) throws(UVError) {
        self.pid = pid
        socket = endpoint.currentSocket
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
            // A keeper of ours makes a regular file, which its clients may read, where files can be locked.
            case .noEntry, .accessDenied, .symbolicLink, .isDirectory, .invalidArgument, .noLocks, .notSupported:
                lock = nil
            default: throw error
            }
        }
    }

    var isLocked: Bool { lock != nil }

    /// Whether a clean close now is one of a keeper that lives. Where there is no lock (the original keeper, a foreign
    /// listener) every clean close counts, as it always did.
    var holds: Bool {
        guard let lock else { return true }
        do throws(UVError) { return try lock.file.lockHolder() == lock.holder } catch { return false }
    }
}
