internal import CLibUV

/// A TCP port that others connect to.
///
/// The port is bound by our own system calls: `uv_tcp_bind` reports an address in use only at the listen (H92). Mirrors
/// `uv_tcp_t`.
public final class TCPListener: Listener {
    /// The address that the listener is bound to; after binding port 0, with the port that the system chose.
    public let localAddress: SocketAddress
    private let backlog: Int

    /// Binds a port; connects are refused until ``listen(_:)``. A port can be bound again although connections of a
    /// former server were bound to it a moment ago (`SO_REUSEADDR`).
    ///
    /// - Parameters:
    ///   - address: the address to listen at: ``SocketAddress/loopback(_:port:)`` for this computer only,
    ///     ``SocketAddress/any(_:port:)`` for everybody; port 0 lets the system choose.
    ///   - dualStack: true to make an IPv6 address take connections by IPv4 too, which show as `::ffff:192.0.2.1`.
    ///     False means no, even if the system's default is another.
    ///   - reusePort: true to let other sockets of the same user be bound to the same port, with connections spread
    ///     over all of them (`SO_REUSEPORT`): for a server of several processes.
    ///   - backlog: the number of clients that may wait; the system has a limit of its own.
    ///   - loop: the loop that it lives on.
    /// - Throws: ``UVError/addressInUse``; ``UVError/accessDenied`` for a port below 1024 without the privilege;
    ///   ``UVError/addressNotAvailable`` for an address that this computer does not have;
    ///   ``UVError/addressFamilyNotSupported`` for IPv6 on a system without it; ``UVError/invalidArgument`` for the
    ///   address of a unix socket, and for `dualStack` with IPv4.
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

    /// Takes ownership of a bound or listening TCP socket from elsewhere: a service manager that listens for its
    /// service, or a predecessor that hands its place over. ``Listener/isShared`` is true.
    ///
    /// - Throws: ``UVError/badDescriptor``, ``UVError/notSocket``; ``UVError/invalidArgument`` if it is no TCP socket,
    /// not bound, or connected. The caller then still owns the descriptor.
    public init(
        takingOwnershipOf descriptor: Int32, backlog: Int = defaultBacklog, on loop: Loop,
    ) throws(UVError) {
        try Listener.checkInherited(descriptor, families: [AF_INET, AF_INET6])
        guard let bound = try SocketAddress.local(of: descriptor), bound.port != 0 else { throw .invalidArgument }
        localAddress = bound
        self.backlog = backlog
        try super.init(bound: descriptor, isShared: true, on: loop)
    }

    /// Starts listening and accepting; `onConnection` is given each client as an open stream, and owns it, or an error
    /// if none can be accepted just now.
    ///
    /// A client that has gone before it was accepted, or whose socket is unusable, does not affect others. After an
    /// error (descriptors or memory have run out) accepting pauses and is retried after 10 ms, then ever more rarely,
    /// up to once a second. The error is reported once until a client is accepted again.
    ///
    /// - Throws: ``UVError/addressInUse`` if another socket has started to listen on the port since.
    public func listen(_ onConnection: @escaping (TCPListener, Result<TCPStream, UVError>) -> Void) throws(UVError) {
        let make = { [unowned self] (descriptor: CInt) throws(UVError) in try TCPStream(accepted: descriptor, on: loop)
        }
        try listen(backlog, making: make) { [unowned self] in onConnection(self, $0) }
    }
}
