internal import CLibUV

extension UDPSocket {
    /// The bytes of messages that wait to be sent. Mirrors `uv_udp_get_send_queue_size`.
    public var queuedByteCount: Int { isClosing ? 0 : uv_udp_get_send_queue_size(raw.udp) }

    /// The number of messages that wait to be sent. Mirrors `uv_udp_get_send_queue_count`.
    public var queuedMessageCount: Int { isClosing ? 0 : uv_udp_get_send_queue_count(raw.udp) }

    /// Sends a message, or queues it if the kernel does not take it at once; the bytes need not outlive the call.
    ///
    /// `completion` runs once, on a later tick: with nil when the kernel has taken the message, which does not mean
    /// that it arrives. Each message has an outcome of its own. ``UVError/messageTooLong``: the message does not fit
    /// into a datagram. ``UVError/connectionRefused``: an earlier message was refused; this one was not sent. Mirrors
    /// `uv_udp_try_send` and `uv_udp_send`.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - address: nil for a connected socket, and only for one: otherwise the send fails with
    ///     ``UVError/notConnected`` or ``UVError/alreadyConnected``.
    ///   - completion: told when the message has left, or why it has not; nil: nobody wants to know.
    /// - Returns: true if the queue is below ``highWaterMark``; if false, wait for ``onDrain``.
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

    /// Sends a message if the kernel takes it at once; never queues it. Mirrors `uv_udp_try_send`.
    ///
    /// - Returns: false if the message was not sent: there is no room, or earlier messages wait.
    /// - Throws: the errors of ``send(_:to:completion:)-(RawSpan,_,_)``.
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
        let request = try SendRequest(bytes, address, completion, of: self)
        var buffer = request.buffer
        let send = { (address: UnsafePointer<sockaddr>?) in
            uv_udp_send(request.raw.cast(to: uv_udp_send_t.self), self.raw.udp, &buffer, 1, address) { raw, status in
                let request = Request.ended(raw!.pointee.data, as: SendRequest.self)
                request.socket.sent(failure(status), request)
            }
        }
        let status = if let address { address.withSockaddr { address, _ in send(address) } } else { send(nil) }
        guard status == 0 else {
            request.withdraw()
            throw UVError(rawValue: status)
        }
    }

    /// Ends a message that has left the queue. If the first message of a batch fails, libuv fails all the others too,
    /// which were not sent (H98): these are tried once more, one by one, for an outcome of their own.
    private func sent(_ error: UVError?, _ request: SendRequest) {
        if error != nil, !isClosing {
            guard !hasFailedMessage else { return sendAgain(request) }
            hasFailedMessage = true
            loop.onNextTick { [self] in hasFailedMessage = false }
        }
        ended(request, error)
    }

    private func sendAgain(_ request: SendRequest) {
        do throws(UVError) {
            if try !request.sendNow(by: requiredDescriptor()) {
                return try queue(request.bytes, request.address, request.completion)
            }
            ended(request, nil)
        } catch {
            ended(request, error)
        }
    }

    private func ended(_ request: SendRequest, _ error: UVError?) {
        request.completion?(error)
        if !isClosing, queuedMessageCount == 0 { onDrain?(self) }
    }
}
