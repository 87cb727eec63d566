internal import CLibUV

/// A TCP connection. Mirrors `uv_tcp_t`.
public final class TCPStream: Stream {
    /// The request of `uv_tcp_connect`; libuv calls back before the stream has closed.
    private var connectRequest: UnsafeMutablePointer<uv_connect_t>?

    private init(on loop: Loop, isConnected: Bool) throws(UVError) {
        try super.init(uv_tcp_t.self, on: loop, isConnected: isConnected) { uv_tcp_init(loop.raw, $0) }
    }

    /// Wraps a connected TCP socket and takes ownership of its descriptor, which becomes non-blocking for everybody who
    /// shares the open file. Mirrors `uv_tcp_open`.
    ///
    /// - Throws: ``UVError/badDescriptor``, ``UVError/notSocket``, ``UVError/notConnected``, ``UVError/exists`` for a
    /// descriptor that the loop watches already, ``UVError/invalidArgument`` for another kind of socket; the caller
    /// then still owns the descriptor.
    public convenience init(takingOwnershipOf descriptor: Int32, on loop: Loop) throws(UVError) {
        // libuv accepts any descriptor, so the kind is checked here.
        let isStream = try checkErrno(uvloop_socket_type(descriptor)) == uvloop_stream_socket_type
        guard isStream, try SocketAddress.remote(of: descriptor)?.port != nil else { throw .invalidArgument }
        try self.init(accepted: descriptor, on: loop)
    }

    /// Wraps a descriptor that is known to be a TCP connection, without checks: a server accepts many.
    convenience init(accepted descriptor: CInt, on loop: Loop) throws(UVError) {
        try self.init(on: loop, isConnected: true)
        do {
            try check(uv_tcp_open(raw.tcp, descriptor))
        } catch {
            close()
            throw error
        }
    }

    /// Connects to an address; `completion` runs once, on a later tick.
    ///
    /// With an error, the stream is closing already: every attempt takes a fresh stream. ``UVError/connectionRefused``:
    /// no listener has that address. ``UVError/timedOut``: no answer came, for about two minutes; close the stream to
    /// give up earlier. ``UVError/networkUnreachable``, ``UVError/hostUnreachable``: the network says so.
    /// ``UVError/addressNotAvailable``: no port is left here. Bytes written meanwhile are queued and sent after the
    /// connect, or end with its error. Closing before the completion ends the connect with ``UVError/canceled``. For a
    /// host by its name see ``TCPConnect``. Mirrors `uv_tcp_connect`.
    ///
    /// - Parameters:
    ///   - address: who is connected to.
    ///   - local: the address to connect from; nil: the system chooses.
    ///   - loop: the loop that it lives on.
    ///   - completion: told nil, or why the connect failed; runs once, on a later tick.
    /// - Throws: ``UVError/invalidArgument`` for the address of a unix socket, before anything is opened.
    public convenience init(
        connectingTo address: SocketAddress,
        from local: SocketAddress? = nil,
        on loop: Loop,
        completion: @escaping (TCPStream, UVError?) -> Void,
    ) throws(UVError) {
        guard address.port != nil, local == nil || local?.family == address.family else { throw .invalidArgument }
        try self.init(on: loop, isConnected: false)
        onConnect = { [unowned self] in completion(self, $0) }
        do throws(UVError) {
            try connect(to: address, from: local)
        } catch {
            loop.onNextTick { self.connected(error) }
        }
    }

    private func connect(to address: SocketAddress, from local: SocketAddress?) throws(UVError) {
        let socket = OwnedDescriptor(
            try checkErrno(uvloop_tcp_socket(address.family == .ipv6 ? AF_INET6 : AF_INET)))
        let descriptor = try socket.handOver { descriptor throws(UVError) in
            if let local { try checkErrno(local.withSockaddr { bind(descriptor, $0, $1) }) }
            try check(uv_tcp_open(raw.tcp, descriptor))
            return descriptor
        }
        // The stream owns the descriptor from here on. The watch is taken first, since libuv would abort if it could
        // not get it (H70).
        try Watches.reserve(descriptor, on: loop.raw)
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        request.initialize(to: uv_connect_t())
        request.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        let status = address.withSockaddr { address, _ in
            uv_tcp_connect(request, raw.tcp, address) { request, status in
                let stream: TCPStream = object(request!.pointee.data)
                stream.connectRequest?.deallocate()
                stream.connectRequest = nil
                stream.connected(failure(status) ?? (stream.isSelfConnected ? .connectionRefused : nil))
            }
        }
        guard status == 0 else {
            request.deallocate()
            throw UVError(rawValue: status)
        }
        connectRequest = request
    }

    /// True if the connection has met itself: a connect to a port of this computer without a listener can do that if
    /// the system happens to choose that port to connect from (H90).
    private var isSelfConnected: Bool {
        guard let descriptor else { return false }
        do throws(UVError) {
            guard let remote = try SocketAddress.remote(of: descriptor), remote.isLoopback else { return false }
            return try SocketAddress.local(of: descriptor) == remote
        } catch {
            // The connection has ended by now, which reading reports.
            return false
        }
    }

    // MARK: Addresses

    /// The address of this end. Mirrors `uv_tcp_getsockname`.
    ///
    /// - Throws: ``UVError/notConnected`` for a stream that has no socket, or no longer has one.
    public var localAddress: SocketAddress {
        get throws(UVError) {
            guard let descriptor, let address = try SocketAddress.local(of: descriptor) else { throw .notConnected }
            return address
        }
    }

    /// The address of the other end. Mirrors `uv_tcp_getpeername`.
    ///
    /// - Throws: ``UVError/notConnected`` for a stream that is not connected, or that the peer has reset.
    public var remoteAddress: SocketAddress {
        get throws(UVError) {
            guard let descriptor, let address = try SocketAddress.remote(of: descriptor) else { throw .notConnected }
            return address
        }
    }

    // MARK: Options

    /// Sends small writes at once if `isOn`. By default the system delays a small write while another is on its way, to
    /// send more in one packet (Nagle's algorithm). For conversations of short messages. Mirrors `uv_tcp_nodelay`.
    ///
    /// - Throws: ``UVError/invalidArgument`` and its like for a connection that the peer has reset; the stream is unharmed.
    public func setNoDelay(_ isOn: Bool) throws(UVError) {
        try SocketOption.set(requiredDescriptor(), CInt(IPPROTO_TCP), TCP_NODELAY, isOn ? 1 : 0)
    }

    /// Makes the system probe a silent peer: the stream ends with ``UVError/timedOut`` if the peer does not answer.
    /// Mirrors `uv_tcp_keepalive`, with all three numbers: libuv 1.44 probes ten times, a second apart.
    ///
    /// - Parameters:
    ///   - idle: the time of silence before the first probe, 1 s to 32767 s.
    ///   - interval: the time between probes, 1 s to 32767 s.
    ///   - count: the number of probes that may go unanswered, 1 to 127.
    /// - Throws: ``UVError/invalidArgument`` for a number out of its range, in whole seconds rounded up.
    public func setKeepAlive(
        idle: Duration, interval: Duration = .seconds(15), count: Int = 4,
    ) throws(UVError) {
        let descriptor = try requiredDescriptor()
        let (idle, interval) = (try TCPStream.seconds(idle), try TCPStream.seconds(interval))
        guard (1...127).contains(count) else { throw .invalidArgument }
        #if os(Linux)
        try SocketOption.set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPIDLE, idle)
        #else
        try SocketOption.set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPALIVE, idle)
        #endif
        try SocketOption.set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPINTVL, interval)
        try SocketOption.set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPCNT, CInt(count))
        try SocketOption.set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
    }

    private static func seconds(_ time: Duration) throws(UVError) -> CInt {
        let (whole, rest) = time.components
        let seconds = whole + (rest > 0 ? 1 : 0)
        guard (1...32767).contains(seconds) else { throw .invalidArgument }
        return CInt(seconds)
    }

    /// Stops probing a silent peer.
    public func unsetKeepAlive() throws(UVError) {
        try SocketOption.set(requiredDescriptor(), SOL_SOCKET, SO_KEEPALIVE, 0)
    }

    private func requiredDescriptor() throws(UVError) -> CInt {
        guard let descriptor else { throw .notConnected }
        loop.requireOwner()
        return descriptor
    }

    /// Closes the stream and sends the peer a reset instead of the bytes still to be sent: the peer's reading ends with
    /// ``UVError/connectionReset``. For a peer that misbehaves; also keeps the port from waiting for late packets.
    /// Works after ``Stream/shutdown(_:)`` too, unlike `uv_tcp_close_reset` (H91). Mirrors `uv_tcp_close_reset`.
    public func reset(_ completion: (() -> Void)? = nil) {
        if let descriptor {
            var linger = CLibUV.linger(l_onoff: 1, l_linger: 0)
            // The call fails for a connection that has been reset already.
            _ = setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<CLibUV.linger>.size))
        }
        close(completion)
    }
}
