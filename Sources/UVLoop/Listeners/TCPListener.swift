internal import CLibUV

/// A TCP port that others connect to.
///
/// Bound by our own system calls: `uv_tcp_bind` tells of an address in use only when it listens (H92). Mirrors `uv_tcp_t`.
public final class TCPListener: Listener {
    /// The address it is bound to: for port 0, with the port that the system chose.
    public let localAddress: SocketAddress
    private let backlog: Int

    /// Binds a port that nobody can connect to yet: connects are refused until ``listen(_:)``. A port that connections of a
    /// server before were bound to a moment ago can be bound again (`SO_REUSEADDR`).
    ///
    /// - Parameters:
    ///   - address: where to listen: ``SocketAddress/loopback(_:port:)`` for this computer only,
    ///     ``SocketAddress/any(_:port:)`` for everybody; port 0 lets the system choose.
    ///   - dualStack: whether an IPv6 address takes connections by IPv4 too, which show as `::ffff:192.0.2.1`. False also
    ///     where the system's own default is another.
    ///   - reusePort: whether other sockets of the same user may be bound to the same port, and connections are spread
    ///     over all of them (`SO_REUSEPORT`): for a server of several processes.
    ///   - backlog: how many clients may wait; the system has a limit of its own.
    ///   - loop: the loop that it lives on.
    /// - Throws: ``UVError/addressInUse``; ``UVError/accessDenied`` for a port below 1024 without the right to it;
    ///   ``UVError/addressNotAvailable`` for an address that this computer does not have;
    ///   ``UVError/addressFamilyNotSupported`` for IPv6 where there is none; ``UVError/invalidArgument`` for the address of a
    ///   unix socket, and for `dualStack` with IPv4.
    public init(
        bindingTo address: SocketAddress,
        dualStack: Bool = false,
        reusePort: Bool = false,
        backlog: Int = defaultBacklog,
        on loop: Loop,
    ) throws(UVError) {
        guard address.port != nil, !dualStack || address.family == .ipv6 else { throw .invalidArgument }
        let descriptor = try checkErrno(uvloop_tcp_socket(address.family == .ipv6 ? AF_INET6 : AF_INET))
        let socket = OwnedDescriptor(descriptor)
        do throws(UVError) {
            try SocketOption.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            if reusePort { try SocketOption.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
            if address.family == .ipv6 {
                try SocketOption.set(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, dualStack ? 0 : 1)
            }
            try checkErrno(address.withSockaddr { bind(descriptor, $0, $1) })
            guard let bound = try SocketAddress.local(of: descriptor) else { throw .invalidArgument }
            localAddress = bound
            self.backlog = backlog
            try super.init(bound: descriptor, isShared: false, on: loop)
        } catch {
            socket.close()
            throw error
        }
        _ = socket.release()
    }

    /// Takes ownership of a bound or listening TCP socket from elsewhere: of a service manager that listens for its service,
    /// or of a predecessor that hands its place over. ``Listener/isShared`` is true.
    ///
    /// - Throws: ``UVError/badDescriptor``, ``UVError/notSocket``, ``UVError/invalidArgument`` for one that is no TCP socket,
    ///   or is connected. The descriptor then stays the caller's.
    public init(
        takingOwnershipOf descriptor: Int32, backlog: Int = defaultBacklog, on loop: Loop,
    ) throws(UVError) {
        try Listener.checkInherited(descriptor, families: [AF_INET, AF_INET6])
        guard let bound = try SocketAddress.local(of: descriptor), bound.port != 0 else { throw .invalidArgument }
        localAddress = bound
        self.backlog = backlog
        try super.init(bound: descriptor, isShared: true, on: loop)
    }

    /// Starts listening and accepting; `onConnection` is given each client as an open stream that belongs to it, or an
    /// error when none can be accepted just now.
    ///
    /// A client that has gone before it was accepted, or whose socket is of no use, harms no other. After an error
    /// (descriptors or memory have run out) accepting pauses and is tried again by itself after 10 ms, then ever more rarely
    /// up to once a second; the error is reported once until a client is accepted again.
    ///
    /// - Throws: ``UVError/addressInUse`` if another socket has begun to listen on the port since.
    public func listen(_ onConnection: @escaping (TCPListener, Result<TCPStream, UVError>) -> Void) throws(UVError) {
        let make = { [unowned self] (descriptor: CInt) throws(UVError) in try TCPStream(accepted: descriptor, on: loop)
        }
        try listen(backlog, making: make) { [unowned self] in onConnection(self, $0) }
    }
}
