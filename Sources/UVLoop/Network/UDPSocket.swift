internal import CLibUV

/// A socket for datagrams: messages that arrive whole or not at all, perhaps in another order, perhaps twice. Mirrors
/// `uv_udp_t`.
///
/// A message is tried at once; what the kernel does not take is queued in memory and sent when there is room. The queue has
/// no limit of its own: a sender stops when ``send(_:to:completion:)-(RawSpan,_,_)`` returns false and goes on at ``onDrain``,
/// or drops what ``trySend(_:to:)`` does not take, as datagrams may be.
public final class UDPSocket: Handle {
    /// The longest message by IPv4, in bytes; by IPv6 one of 20 bytes more can be sent.
    public static let maximumMessageLength = 65507

    /// The size of the send queue, in bytes, at which a sender should pause. Default 65536.
    public var highWaterMark = 65536

    /// Called whenever the send queue has become empty, on a later tick than the send that filled it.
    public var onDrain: ((UDPSocket) -> Void)?

    private var onMessage: ((UDPSocket, RawSpan, Message) -> Void)?
    private var onError: ((UDPSocket, UVError) -> Void)?
    /// True within the callbacks for messages that one system call has read.
    private var isInBatch = false
    /// What was read together with the message in whose callback the receiving was stopped; libuv would drop it (H99).
    private var held: [(bytes: [UInt8], message: Message)] = []
    private(set) var isConnected = false
    /// The address that it was bound to at first, with the port that the system chose.
    private var boundAddress: SocketAddress?
    /// True if a message that had waited has failed in this tick: see ``sent(_:_:)``.
    var hasFailedMessage = false

    /// What is told of a message beside its bytes.
    public struct Message: Sendable {
        /// Whose message it is; nil for a sender without a name, which only a unix socket could be.
        public let sender: SocketAddress?
        /// True if the message was longer than what is received of one, and the rest of it is lost: 65536 bytes, which no
        /// message of IP exceeds but one of a jumbogram.
        public let isTruncated: Bool
    }

    /// Creates a socket that is bound to an address, and takes messages from there on.
    ///
    /// - Parameters:
    ///   - address: ``SocketAddress/any(_:port:)`` for messages to any address of this computer; port 0 lets the system
    ///     choose.
    ///   - dualStack: whether an IPv6 address takes messages by IPv4 too, whose senders show as `::ffff:192.0.2.1`.
    ///   - reusePort: whether other sockets may be bound to the same address: every one of them gets a multicast message, one
    ///     of them another (`SO_REUSEADDR`, and `SO_REUSEPORT` beside it where that exists).
    ///   - loop: the loop that it lives on.
    /// - Throws: ``UVError/addressInUse``, ``UVError/addressNotAvailable``; ``UVError/accessDenied`` for a port below 1024
    ///   without the right to it; ``UVError/invalidArgument`` for the address of a unix socket, and for `dualStack` with IPv4.
    public init(
        bindingTo address: SocketAddress, dualStack: Bool = false, reusePort: Bool = false, on loop: Loop,
    ) throws(UVError) {
        guard address.port != nil, !dualStack || address.family == .ipv6 else { throw .invalidArgument }
        try super.init(uv_udp_t.self, on: loop) {
            // Several messages by one system call, where there is such a call.
            uv_udp_init_ex(loop.raw, $0, UInt32(AF_UNSPEC) | UInt32(UV_UDP_RECVMMSG.rawValue))
        }
        do throws(UVError) {
            try open(address.family, reusePort: reusePort) { (descriptor) throws(UVError) in
                if reusePort {
                    try SocketOption.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
                    try SocketOption.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)
                }
                if address.family == .ipv6 {
                    try SocketOption.set(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, dualStack ? 0 : 1)
                }
                try checkErrno(address.withSockaddr { bind(descriptor, $0, $1) })
            }
        } catch {
            close()
            throw error
        }
    }

    /// Creates a socket that only sends to, and only hears of, one address; see ``connect(to:)``.
    public convenience init(connectingTo address: SocketAddress, on loop: Loop) throws(UVError) {
        try self.init(
            bindingTo: SocketAddress.any(address.port == nil ? .unix : address.family, port: 0), on: loop)
        do throws(UVError) {
            try connect(to: address)
        } catch {
            close()
            throw error
        }
    }

    private func open(
        _ family: SocketAddress.Family, reusePort: Bool, _ prepare: (CInt) throws(UVError) -> Void,
    ) throws(UVError) {
        let socket = OwnedDescriptor(
            try checkErrno(uvloop_udp_socket(family == .ipv6 ? AF_INET6 : AF_INET)))
        try socket.handOver { descriptor throws(UVError) in
            try prepare(descriptor)
            try check(uv_udp_open(raw.udp, descriptor))
        }
        guard let descriptor else { throw .canceled }
        // libuv has switched it on, and anybody could take the port from now on (H95).
        if !reusePort { try SocketOption.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 0) }
        boundAddress = try SocketAddress.local(of: descriptor)
    }

    /// The socket's descriptor, for options that have no name here; nil once it has closed. It stays the socket's.
    public var descriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return !isClosing && uv_fileno(raw, &descriptor) == 0 ? descriptor : nil
    }

    func requiredDescriptor() throws(UVError) -> CInt {
        guard let descriptor else { throw .canceled }
        return descriptor
    }

    /// The address it is bound to. Mirrors `uv_udp_getsockname`.
    public var localAddress: SocketAddress {
        get throws(UVError) {
            guard let address = try SocketAddress.local(of: requiredDescriptor()) else { throw .notConnected }
            return address
        }
    }

    /// The address it is connected to. Mirrors `uv_udp_getpeername`.
    ///
    /// - Throws: ``UVError/notConnected``.
    public var remoteAddress: SocketAddress {
        get throws(UVError) {
            guard let address = try SocketAddress.remote(of: requiredDescriptor()) else { throw .notConnected }
            return address
        }
    }

    /// Has the socket send to one address, and receive from no other. That nobody listens there is then told: as
    /// ``UVError/connectionRefused`` of a later send or receive. Connecting again replaces the address. Mirrors
    /// `uv_udp_connect`.
    public func connect(to address: SocketAddress) throws(UVError) {
        guard isUsable("UDPSocket.connect: the socket is closed") else { throw .canceled }
        guard address.port != nil else { throw .invalidArgument }
        if isConnected { try disconnect() }
        try check(address.withSockaddr { address, _ in uv_udp_connect(raw.udp, address) })
        isConnected = true
    }

    /// Has the socket receive from everybody again, at the port that it had. Does nothing for one that is not connected.
    ///
    /// - Throws: ``UVError/addressInUse`` if another socket has taken a port that the system had chosen, in this moment.
    public func disconnect() throws(UVError) {
        guard isUsable("UDPSocket.disconnect: the socket is closed") else { throw .canceled }
        guard isConnected else { return }
        try check(uv_udp_connect(raw.udp, nil))
        isConnected = false
        // Linux forgets a port that it has chosen itself (H97).
        guard let boundAddress, try localAddress.port != boundAddress.port else { return }
        let descriptor = try requiredDescriptor()
        try checkErrno(boundAddress.withSockaddr { bind(descriptor, $0, $1) })
    }

    // MARK: Receiving

    /// Starts receiving: `onMessage` is lent each message as it arrives, with its sender. Messages that nobody receives in
    /// time are dropped by the system, in silence.
    ///
    /// The span is valid during the call only. `onError` is told what the network says of messages that were sent
    /// (``UVError/connectionRefused`` on a connected socket), or of the system's shortages; receiving goes on. Neither is
    /// called after ``Handle/close(_:)``. Mirrors `uv_udp_recv_start`.
    ///
    /// - Throws: ``UVError/noSpace`` when the user's watches have run out, ``UVError/canceled`` when the loop has closed the
    ///   socket.
    public func receiveStart(
        onMessage: @escaping (UDPSocket, RawSpan, Message) -> Void,
        onError: @escaping (UDPSocket, UVError) -> Void = { _, _ in },
    ) throws(UVError) {
        guard isUsable("UDPSocket.receiveStart: the socket is closed") else { throw .canceled }
        if held.isEmpty { try beginReceiving() } else { loop.onNextTick { [self] in deliverHeld() } }
        self.onMessage = onMessage
        self.onError = onError
    }

    private func beginReceiving() throws(UVError) {
        try Watches.reserve(requiredDescriptor(), on: loop.raw)
        let status = uv_udp_recv_start(
            raw.udp,
            { raw, _, buffer in
                // No user code here, as for streams (H31).
                withHandle(raw!.pointee.data, as: UDPSocket.self) { socket in
                    buffer!.pointee = uv_buf_t(UnsafeRawBufferPointer(socket.loop.datagramBuffer.memory))
                }
            },
            { raw, count, buffer, address, flags in
                withHandle(raw!.pointee.data, as: UDPSocket.self) {
                    $0.received(count, buffer!.pointee.base, address, flags)
                }
            },
        )
        if status != UV_EALREADY.rawValue { try check(status) }
    }

    /// Receives nothing more until ``receiveStart(onMessage:onError:)``, which begins with what had come by now. Mirrors
    /// `uv_udp_recv_stop`.
    public func receiveStop() {
        guard !isClosing else { return }
        loop.requireOwner()
        onMessage = nil
        onError = nil
        if !isInBatch { endReceiving() }
    }

    private func endReceiving() {
        // Always returns 0.
        _ = uv_udp_recv_stop(raw.udp)
    }

    /// Nothing more is read before these have been handed over: they are never more than a batch.
    private func deliverHeld() {
        while !held.isEmpty, let onMessage {
            let (bytes, message) = held.removeFirst()
            onMessage(self, bytes.span.bytes, message)
        }
        guard held.isEmpty, onMessage != nil, !isClosing else { return }
        do throws(UVError) { try beginReceiving() } catch { onError?(self, error) }
    }

    private func received(
        _ count: Int, _ bytes: UnsafePointer<CChar>?, _ address: UnsafePointer<sockaddr>?, _ flags: UInt32,
    ) {
        guard count >= 0 else { return onError?(self, UVError(rawValue: CInt(count))) ?? () }
        isInBatch = flags & UInt32(UV_UDP_MMSG_CHUNK.rawValue) != 0
        // Without an address: nothing to receive after all, which an empty message is not (H93); or the end of a batch.
        guard let address else { return onMessage == nil && !isClosing ? endReceiving() : () }
        guard !isClosing else { return }
        let message = Message(
            sender: SocketAddress(received: address),
            isTruncated: flags & UInt32(UV_UDP_PARTIAL.rawValue) != 0)
        let bytes = UnsafeRawBufferPointer(start: bytes, count: count)
        guard let onMessage else { return held.append((Array(bytes), message)) }
        onMessage(self, bytes.bytes, message)
    }

    override func willClose() {
        onMessage = nil
        onError = nil
        onDrain = nil
        held = []
    }
}
