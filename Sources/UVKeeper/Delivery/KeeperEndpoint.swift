internal import UVLoop

/// The socket that one keeper after another listens at. Hosts have no use for one.
@_spi(Benchmarks)
public struct KeeperEndpoint {
    /// The socket's path.
    public let path: String

    /// Nothing is opened.
    public init(_ path: String) {
        self.path = path
    }

    /// Says whether lines are for the process at the other end of a fresh connection.
    ///
    /// - Returns: the socket file that was connected to; nil if it has gone already.
    /// - Throws: ``UVError/notPermitted`` if that process is neither this user's nor root's: nothing is for its eyes. That holds
    ///   for root's lines too, whoever's directory root may use. ``UVError/notSocket`` if the socket's name is a symbolic
    ///   link's: no keeper's is.
    func check(_ stream: PipeStream) throws(UVError) -> FileIdentity? {
        guard stream.peer.userID.map({ $0 == 0 || $0 == CurrentProcess.userID }) ?? true else { throw .notPermitted }
        let file = currentFile
        guard file?.kind != .symbolicLink else { throw .notSocket }
        return file?.identity
    }

    /// The socket file now; nil if there is none. While a keeper has its socket bound, its inode is not used again.
    var currentSocket: FileIdentity? { currentFile?.identity }

    /// True if something is at the path that is no socket.
    var isOtherFile: Bool { currentFile.map { $0.kind != .socket } ?? false }

    /// The file that has the socket's name, a link itself; nil if there is none.
    private var currentFile: FileStatus? {
        do throws(UVError) { return try Files.status(of: path, followingLinks: false) } catch { return nil }
    }
}
