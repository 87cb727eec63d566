internal import UVLoop

/// The socket that one keeper after another listens at, and what is known of the one that did last.
///
/// Connections that share an endpoint ask about a keeper once, and keep its pid file open between them. Hosts have no use for
/// one; the benchmarks measure connections that share it.
@_spi(Benchmarks)
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
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like, when it cannot be found out; ``UVError/notPermitted`` if the
    ///   process at the other end is neither this user's nor root's: nothing is for its eyes. That holds for root's lines too,
    ///   whoever's directory root may use. ``UVError/notSocket`` if the socket's name is a symbolic link's: no keeper's is.
    func witness(of stream: PipeStream) throws(UVError) -> KeeperWitness {
        let (pid, peerUser) = stream.peer
        guard peerUser.map({ $0 == 0 || $0 == CurrentProcess.userID }) ?? true else { throw .notPermitted }
        if let last, last.pid == pid { return last }
        let file = currentFile
        guard file?.kind != .symbolicLink else { throw .notSocket }
        let witness = try KeeperWitness(pid: pid, socket: file?.identity, at: path)
        // A process that the system does not name cannot be recognised, and one without a lock may be another by now.
        last = pid != nil && witness.isLocked ? witness : nil
        return witness
    }

    /// The socket file now; nil if there is none. While a keeper has its socket bound, its inode is not used again.
    var currentSocket: FileIdentity? { currentFile?.identity }

    /// Whether something is at the path that is no socket.
    var isOtherFile: Bool { currentFile.map { $0.kind != .socket } ?? false }

    /// The file that has the socket's name, a link itself; nil if there is none.
    private var currentFile: FileStatus? {
        do throws(UVError) { return try Files.status(of: path, followingLinks: false) } catch { return nil }
    }
}

@available(*, unavailable)
extension KeeperEndpoint: Sendable {}
