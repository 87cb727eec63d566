internal import CLibUV

/// A socket for datagrams: messages that arrive whole or not at all, perhaps in another order, perhaps twice. Mirrors
/// `uv_udp_t`.
///
/// A message is tried at once; if the kernel does not take it, it is queued in memory and sent when there is room. The
/// queue has no limit of its own: a sender stops when ``send(_:to:completion:)-(RawSpan,_,_)`` returns false and goes
/// on at ``onDrain``, or uses ``trySend(_:to:)`` and drops the messages that are not taken, as datagrams may be.
public final class UDPSocket: Handle {
    /// The longest message by IPv4, in bytes; by IPv6, a message may be 20 bytes longer.
    public static let maximumMessageLength = 65507

    /// The size of the send queue, in bytes, at which a sender should pause. Default 65536.
    public var highWaterMark = 65536

    /// Called whenever the send queue has become empty, on a later tick than the send that filled it.
    public var onDrain: ((UDPSocket) -> Void)?

    private var onMessage: ((UDPSocket, RawSpan, Message) -> Void)?
    private var onError: ((UDPSocket, UVError) -> Void)?
    /// True within the callbacks for messages that one system call has read.
    private var isInBatch = false
    /// Messages that were read together with the one in whose callback receiving was stopped; libuv would drop them
    /// (H99).
    private var held: [(bytes: [UInt8], message: Message)] = []
    private(set) var isConnected = false
    /// The address of the first bind, with the port that the system chose.
    private var boundAddress: SocketAddress?
    /// True if a queued message has failed in this tick: see ``sent(_:_:)``.
    var hasFailedMessage = false

    /// The facts about a message besides its bytes.
    public struct Message: Sendable {
        /// The sender's address; nil if it has no name, which is possible only for a unix socket.
        public let sender: SocketAddress?
        /// True if the message was longer than 65536 bytes and its rest is lost. No message of IP is that long, except
        /// in a jumbogram.
        public let isTruncated: Bool
    }

    /// Creates a socket that is bound to an address; the system collects its messages from then on.
    ///
    /// - Parameters:
    ///   - address: ``SocketAddress/any(_:port:)`` for messages to any address of this computer; port 0 lets the system
    ///     choose.
    ///   - dualStack: true to make an IPv6 address receive messages by IPv4 too, whose senders show as
    ///     `::ffff:192.0.2.1`.
    ///   - reusePort: true to let other sockets be bound to the same address: all of them get a multicast message,
    ///     one of them any other (`SO_REUSEADDR`, and `SO_REUSEPORT` beside it where that exists).
    ///   - loop: the loop that it lives on.
    /// - Throws: ``UVError/addressInUse``, ``UVError/addressNotAvailable``; ``UVError/accessDenied`` for a port below
    ///   1024 without the privilege; ``UVError/invalidArgument`` for the address of a unix socket, and for
    ///   `dualStack` with IPv4.
    public init(
        bindingTo address: SocketAddress, dualStack: Bool = false, reusePort: Bool = false, on loop: Loop,
    ) throws(UVError) {
        guard address.port != nil, !dualStack || address.family == .ipv6 else { throw .invalidArgument }
        try super.init(uv_udp_t.self, on: loop) {
            // The flag makes libuv read several messages by one system call, where there is such a call.
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

    /// Creates a socket that sends to one address, and receives from it only; see ``connect(to:)``.
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
        // libuv has set the option, which would let anybody take the port (H95: `uv_udp_open` sets `SO_REUSEADDR`).
        if !reusePort { try SocketOption.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 0) }
        boundAddress = try SocketAddress.local(of: descriptor)
    }

    /// The socket's descriptor, for options without an API here; nil once the socket has closed. The socket closes it.
    public var descriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return !isClosing && uv_fileno(raw, &descriptor) == 0 ? descriptor : nil
    }

    func requiredDescriptor() throws(UVError) -> CInt {
        guard let descriptor else { throw .canceled }
        return descriptor
    }

    /// The address that the socket is bound to. Mirrors `uv_udp_getsockname`.
    public var localAddress: SocketAddress {
        get throws(UVError) {
            guard let address = try SocketAddress.local(of: requiredDescriptor()) else { throw .notConnected }
            return address
        }
    }

    /// The address that the socket is connected to. Mirrors `uv_udp_getpeername`.
    ///
    /// - Throws: ``UVError/notConnected``.
    public var remoteAddress: SocketAddress {
        get throws(UVError) {
            guard let address = try SocketAddress.remote(of: requiredDescriptor()) else { throw .notConnected }
            return address
        }
    }

    /// Makes the socket send to one address, and receive from no other. If nobody listens there, a later send or
    /// receive reports ``UVError/connectionRefused``. Connecting again replaces the address. Mirrors `uv_udp_connect`.
    public func connect(to address: SocketAddress) throws(UVError) {
        guard isUsable("UDPSocket.connect: the socket is closed") else { throw .canceled }
        guard address.port != nil else { throw .invalidArgument }
        if isConnected { try disconnect() }
        try check(address.withSockaddr { address, _ in uv_udp_connect(raw.udp, address) })
        isConnected = true
    }

    /// Makes the socket receive from everybody again, at its former port. Does nothing if it is not connected.
    ///
    /// - Throws: ``UVError/addressInUse`` if another socket has just taken a port that the system had chosen.
    public func disconnect() throws(UVError) {
        guard isUsable("UDPSocket.disconnect: the socket is closed") else { throw .canceled }
        guard isConnected else { return }
        try check(uv_udp_connect(raw.udp, nil))
        isConnected = false
        // Linux forgets a port that it has chosen itself (H97), so the socket is bound again.
        guard let boundAddress, try localAddress.port != boundAddress.port else { return }
        let descriptor = try requiredDescriptor()
        try checkErrno(boundAddress.withSockaddr { bind(descriptor, $0, $1) })
    }

    // MARK: Receiving

    /// Starts receiving: `onMessage` is lent each message as it arrives, with its sender. The system silently drops
    /// messages that are not received in time.
    ///
    /// The span is valid during the call only. `onError` gets the network's reports on sent messages
    /// (``UVError/connectionRefused`` on a connected socket), and the system's shortages; receiving goes on. No closure
    /// is called after ``Handle/close(_:)``. Mirrors `uv_udp_recv_start`.
    ///
    /// - Throws: ``UVError/noSpace`` if the user's watches have run out, ``UVError/canceled`` if the loop has closed
    /// the socket.
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
                // No user code runs here: stopping or closing within it would crash libuv (H31).
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

    /// Stops receiving until ``receiveStart(onMessage:onError:)``, which begins with the messages read by now. Mirrors
    /// `uv_udp_recv_stop`.
    public func receiveStop() {
        guard !isClosing else { return }
        loop.requireOwner()
        onMessage = nil
        onError = nil
        if !isInBatch { endReceiving() }
    }

    private func endReceiving() {
        // `uv_udp_recv_stop` always returns 0.
        _ = uv_udp_recv_stop(raw.udp)
    }

    /// Delivers the held messages, never more than a batch, before any other is read.
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
        // No address means nothing to receive after all (an empty message has one, H93), or the end of a batch.
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
