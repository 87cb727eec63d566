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
    private var isConnected = false

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

    /// Has the socket receive from everybody again. Does nothing for one that is not connected.
    public func disconnect() throws(UVError) {
        guard isUsable("UDPSocket.disconnect: the socket is closed") else { throw .canceled }
        guard isConnected else { return }
        try check(uv_udp_connect(raw.udp, nil))
        isConnected = false
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
        self.onMessage = onMessage
        self.onError = onError
    }

    /// Receives nothing more until ``receiveStart(onMessage:onError:)``. Mirrors `uv_udp_recv_stop`.
    public func receiveStop() {
        guard !isClosing else { return }
        loop.requireOwner()
        onMessage = nil
        onError = nil
        // Always returns 0.
        _ = uv_udp_recv_stop(raw.udp)
    }

    private func received(
        _ count: Int, _ bytes: UnsafePointer<CChar>?, _ address: UnsafePointer<sockaddr>?, _ flags: UInt32,
    ) {
        guard count >= 0 else { return onError?(self, UVError(rawValue: CInt(count))) ?? () }
        // Without an address: nothing to receive after all, which an empty message is not (H93); or the end of a batch.
        guard let address, let onMessage else { return }
        let message = Message(
            sender: SocketAddress(received: address),
            isTruncated: flags & UInt32(UV_UDP_PARTIAL.rawValue) != 0)
        onMessage(self, UnsafeRawBufferPointer(start: bytes, count: count).bytes, message)
    }

    // MARK: Sending

    /// Bytes of messages that wait to be sent. Mirrors `uv_udp_get_send_queue_size`.
    public var queuedByteCount: Int { isClosing ? 0 : uv_udp_get_send_queue_size(raw.udp) }

    /// How many messages wait to be sent. Mirrors `uv_udp_get_send_queue_count`.
    public var queuedMessageCount: Int { isClosing ? 0 : uv_udp_get_send_queue_count(raw.udp) }

    /// Sends a message, or queues it if the kernel does not take it at once; the bytes need not outlive the call.
    ///
    /// `completion` runs once, on a later tick: with nil when the kernel has taken the message, which is not to say that it
    /// arrives. Each message has an outcome of its own. ``UVError/messageTooLong``: it does not fit into a datagram.
    /// ``UVError/connectionRefused``: an earlier one was refused; this one was not sent. Mirrors `uv_udp_try_send` and
    /// `uv_udp_send`.
    ///
    /// - Parameter address: nil for a connected socket, and only for one: else the send fails with
    ///   ``UVError/notConnected``, or ``UVError/alreadyConnected``.
    /// - Returns: whether the queue is below ``highWaterMark``. When false, wait for ``onDrain``.
    @discardableResult
    public func send(
        _ bytes: RawSpan, to address: SocketAddress? = nil, completion: ((UVError?) -> Void)? = nil,
    ) -> Bool {
        let outcome: UVError?
        do throws(UVError) {
            if try trySend(bytes, to: address) {
                outcome = nil
            } else {
                try bytes.withUnsafeBytes { (bytes) throws(UVError) in try queue(bytes, address, completion) }
                return queuedByteCount < highWaterMark
            }
        } catch {
            outcome = error
        }
        if let completion { loop.onNextTick { completion(outcome) } }
        return queuedByteCount < highWaterMark
    }

    /// Sends a message, as above.
    @discardableResult
    public func send(
        _ bytes: [UInt8], to address: SocketAddress? = nil, completion: ((UVError?) -> Void)? = nil,
    ) -> Bool {
        send(bytes.span.bytes, to: address, completion: completion)
    }

    /// Sends a message if the kernel takes it at once, and queues nothing. Mirrors `uv_udp_try_send`.
    ///
    /// - Returns: false if it was not sent: there is no room, or messages before it wait.
    /// - Throws: what ``send(_:to:completion:)-(RawSpan,_,_)`` completes with.
    public func trySend(_ bytes: RawSpan, to address: SocketAddress? = nil) throws(UVError) -> Bool {
        guard isUsable("UDPSocket.send: the socket is closed") else { throw .canceled }
        guard address == nil || address?.port != nil else { throw .invalidArgument }
        guard isConnected == (address == nil) else { throw isConnected ? .alreadyConnected : .notConnected }
        let status = bytes.withUnsafeBytes { bytes in
            var buffer = uv_buf_t(bytes)
            guard let address else { return uv_udp_try_send(raw.udp, &buffer, 1, nil) }
            return address.withSockaddr { address, _ in uv_udp_try_send(raw.udp, &buffer, 1, address) }
        }
        if status == UV_EAGAIN.rawValue { return false }
        try check(status)
        return true
    }

    private func queue(
        _ bytes: UnsafeRawBufferPointer, _ address: SocketAddress?, _ completion: ((UVError?) -> Void)?,
    ) throws(UVError) {
        let descriptor = try requiredDescriptor()
        if !isActive { try Watches.reserve(descriptor, on: loop.raw) }
        let request = try SendRequest(bytes, completion, of: self)
        var buffer = request.buffer
        let send = { (address: UnsafePointer<sockaddr>?) in
            uv_udp_send(request.raw.cast(to: uv_udp_send_t.self), self.raw.udp, &buffer, 1, address) { raw, status in
                let request = Request.ended(raw!.pointee.data, as: SendRequest.self)
                request.socket.sent(failure(status), request.completion)
            }
        }
        let status = if let address { address.withSockaddr { address, _ in send(address) } } else { send(nil) }
        guard status == 0 else {
            request.withdraw()
            throw UVError(rawValue: status)
        }
    }

    private func sent(_ error: UVError?, _ completion: ((UVError?) -> Void)?) {
        completion?(error)
        if !isClosing, queuedMessageCount == 0 { onDrain?(self) }
    }

    override func willClose() {
        onMessage = nil
        onError = nil
        onDrain = nil
    }
}
