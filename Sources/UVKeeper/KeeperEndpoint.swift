internal import UVLoop

/// The socket that one keeper after another listens at, and what is known of the one that did last.
///
/// Connections that share an endpoint ask about a keeper once, and keep its pid file open between them.
public final class KeeperEndpoint {
    /// The socket's path.
    public let path: String
    private var last: KeeperWitness?

    /// Nothing is opened yet.
    public init(_ path: String) {
        self.path = path
    }

    /// Closes the pid file; the next connection asks anew.
    public func forget() {
        last = nil
    }

    /// The keeper at the other end of a fresh connection.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like, when it cannot be found out.
    func witness(of stream: PipeStream) throws(UVError) -> KeeperWitness {
        let pid = stream.peerProcessID
        if let last, last.pid == pid { return last }
        let witness = try KeeperWitness(pid: pid, socketPath: path)
        // A process that the system does not name cannot be recognised.
        last = pid == nil ? nil : witness
        return witness
    }

    /// The socket file now; nil if there is none. While a keeper has its socket bound, its inode is not used again.
    var currentSocket: FileIdentity? { KeeperEndpoint.socket(at: path) }

    fileprivate static func socket(at path: String) -> FileIdentity? {
        do throws(UVError) { return try Files.status(of: path).identity } catch { return nil }
    }
}

@available(*, unavailable)
extension KeeperEndpoint: Sendable {}

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
    private let lock: (file: OpenFile, holder: Int32)?

    init(pid: Int32?, socketPath: String) throws(UVError) {
        self.pid = pid
        socket = KeeperEndpoint.socket(at: socketPath)
        do throws(UVError) {
            let file = try OpenFile(socketPath + ".pid", .readOnly)
            if case .process(let holder) = try file.lockHolder(), holder == pid ?? holder {
                lock = (file, holder)
            } else {
                lock = nil
            }
        } catch {
            switch error {
            // A keeper of ours makes a regular file, which its clients may read.
            case .noEntry, .accessDenied, .symbolicLink, .isDirectory, .invalidArgument: lock = nil
            default: throw error
            }
        }
    }

    /// Whether a clean close now is one of a keeper that lives. Where there is no lock (the original keeper, a foreign
    /// listener) every clean close counts, as it always did.
    var holds: Bool {
        guard let lock else { return true }
        do throws(UVError) { return try lock.file.lockHolder() == .process(lock.holder) } catch { return false }
    }
}
