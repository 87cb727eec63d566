internal import CLibUV

/// A unix socket that other processes connect to.
///
/// The socket is bound by our own system calls: libuv's own listener truncates long names and unlinks paths that are
/// not its own (H01 to H05). The path is never unlinked by this type. Mirrors `uv_pipe_bind`.
public final class PipeListener: Listener {
    /// The path that the socket is bound to.
    public let path: String
    /// The device and inode of the socket file, to be compared before unlinking the path.
    public let identity: FileIdentity

    /// Creates a socket file with mode 0600 from its first instant. Connects are refused until ``listen(backlog:_:)``.
    ///
    /// - Throws: the errors of ``SocketPath/check(_:)``; ``UVError/addressInUse`` if the path exists, whatever it is;
    /// ``UVError/noEntry``, ``UVError/notDirectory``, ``UVError/accessDenied``, as for `bind(2)` (libuv would report
    /// accessDenied for a missing directory, H03).
    public init(bindingTo path: String, on loop: Loop) throws(UVError) {
        let address = try SocketPath.address(path)
        let descriptor = try checkErrno(uvloop_socket())
        let socket = OwnedDescriptor(descriptor)
        do throws(UVError) {
            // On Linux the file gets the mode of the unbound socket; elsewhere the directory's mode protects it.
            try checkErrno(fchmod(descriptor, 0o600))
            try checkErrno(address.withSockaddr { bind(descriptor, $0, $1) })
            do throws(UVError) {
                let status = try Files.status(of: path, followingLinks: false)
                // The umask may have removed a bit of the owner's.
                if status.permissions != 0o600 { try Files.setPermissions(0o600, of: path) }
                identity = status.identity
                self.path = path
                try super.init(bound: descriptor, isShared: false, on: loop)
            } catch {
                // The bind above made the file. A failure to remove it is ignored; the first error is thrown.
                do throws(UVError) { try Files.unlinkIfPresent(path) } catch {}
                throw error
            }
        } catch {
            socket.close()
            throw error
        }
        _ = socket.release()
    }

    /// Takes ownership of a bound or listening unix socket from elsewhere: a service manager that listens for its
    /// service, or a predecessor that hands its place over. The socket file's mode is left as it is, and
    /// ``Listener/isShared`` is true.
    ///
    /// - Throws: ``UVError/notSocket``; ``UVError/invalidArgument`` unless it is an unconnected unix stream socket
    /// bound to a path; ``UVError/noEntry`` if the path has gone. The caller then still owns the descriptor.
    public init(takingOwnershipOf descriptor: Int32, on loop: Loop) throws(UVError) {
        try Listener.checkInherited(descriptor, families: [AF_UNIX])
        guard let path = SocketPath.bound(to: descriptor) else { throw .invalidArgument }
        let status = try Files.status(of: path, followingLinks: false)
        guard status.kind == .socket else { throw .noEntry }
        self.path = path
        identity = status.identity
        try super.init(bound: descriptor, isShared: true, on: loop)
    }

    /// Starts listening and accepting; `onConnection` is given each client as an open stream, and owns it, or an error
    /// if none can be accepted just now.
    ///
    /// After an error (descriptors or memory have run out) accepting pauses and is retried after 10 ms, then ever more
    /// rarely, up to once a second. The error is reported once until a client is accepted again.
    ///
    /// - Parameters:
    ///   - backlog: the number of clients that may wait; the system has a limit of its own.
    ///   - onConnection: given each connection, or why one could not be accepted.
    public func listen(
        backlog: Int = defaultBacklog,
        _ onConnection: @escaping (PipeListener, Result<PipeStream, UVError>) -> Void,
    ) throws(UVError) {
        let make = { [unowned self] (descriptor: CInt) throws(UVError) in try PipeStream(pollable: descriptor, on: loop)
        }
        try listen(backlog, making: make) { [unowned self] in onConnection(self, $0) }
    }
}
