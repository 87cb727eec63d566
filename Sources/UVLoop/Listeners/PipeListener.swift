internal import CLibUV

/// A unix socket that other processes connect to.
///
/// Bound by our own system calls: libuv's own listener truncates long names and unlinks paths that are not its own (H01 to
/// H05). The path is never unlinked by this type. Mirrors `uv_pipe_bind`.
public final class PipeListener: Listener {
    /// The path the socket was bound to.
    public let path: String
    /// Device and inode of the socket file, to recognise it by before unlinking it.
    public let identity: FileIdentity

    /// Creates a socket file with mode 0600, right from its first instant, that nobody can connect to yet: connects are
    /// refused until ``listen(backlog:_:)``.
    ///
    /// - Throws: what ``SocketPath/check(_:)`` throws; ``UVError/addressInUse`` if the path exists, whatever it is;
    ///   ``UVError/noEntry``, ``UVError/notDirectory``, ``UVError/accessDenied``, as `bind(2)` has them (libuv would say
    ///   accessDenied for a missing directory, H03).
    public init(bindingTo path: String, on loop: Loop) throws(UVError) {
        let address = try SocketPath.address(path)
        let descriptor = try checkErrno(uvloop_socket())
        let socket = OwnedDescriptor(descriptor)
        do throws(UVError) {
            // Linux gives the file the mode of the unbound socket; elsewhere the directory's mode is what protects it.
            try checkErrno(fchmod(descriptor, 0o600))
            try checkErrno(address.withSockaddr { bind(descriptor, $0, $1) })
            do throws(UVError) {
                let status = try Files.status(of: path, followingLinks: false)
                // The umask may have taken a bit of the owner's.
                if status.permissions != 0o600 { try Files.setPermissions(0o600, of: path) }
                identity = status.identity
                self.path = path
                try super.init(bound: descriptor, isShared: false, on: loop)
            } catch {
                // Made a moment ago, by the bind. The error that is told is the first one.
                do throws(UVError) { try Files.unlinkIfPresent(path) } catch {}
                throw error
            }
        } catch {
            socket.close()
            throw error
        }
        _ = socket.release()
    }

    /// Takes ownership of a bound or listening unix socket from elsewhere: of a service manager that listens for its service,
    /// or of a predecessor that hands its place over. The socket file's mode is left as it is, and ``Listener/isShared`` is
    /// true.
    ///
    /// - Throws: ``UVError/notSocket``, ``UVError/invalidArgument`` for one that is not a bound unix stream socket with a path,
    ///   or is connected; ``UVError/noEntry`` if the path has gone. The descriptor then stays the caller's.
    public init(takingOwnershipOf descriptor: Int32, on loop: Loop) throws(UVError) {
        try Listener.checkInherited(descriptor, families: [AF_UNIX])
        guard let path = SocketPath.bound(to: descriptor) else { throw .invalidArgument }
        let status = try Files.status(of: path, followingLinks: false)
        guard status.kind == .socket else { throw .noEntry }
        self.path = path
        identity = status.identity
        try super.init(bound: descriptor, isShared: true, on: loop)
    }

    /// Starts listening and accepting; `onConnection` is given each client as an open stream that belongs to it, or an
    /// error when none can be accepted just now.
    ///
    /// After an error (descriptors or memory have run out) accepting pauses and is tried again by itself after 10 ms, then
    /// ever more rarely up to once a second; the error is reported once until a client is accepted again.
    ///
    /// - Parameters:
    ///   - backlog: how many clients may wait; the system has a limit of its own.
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
