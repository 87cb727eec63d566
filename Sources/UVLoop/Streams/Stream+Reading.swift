internal import CLibUV

extension Stream {
    /// Starts reading: `onBytes` is lent each run of bytes as it arrives, `onEnd` is called once at the end of the stream
    /// (nil) or when it fails.
    ///
    /// The span is valid during the call only; copy what must stay. After `onEnd` nothing more is read, and the stream
    /// stays writable until it is closed: end of stream means the peer finished sending, not that it stopped reading.
    /// ``UVError/connectionReset`` means that the peer closed with our bytes unread (H29), ``UVError/canceled`` that the loop
    /// has closed the stream. No `onEnd` comes after ``Handle/close(_:)``. Mirrors `uv_read_start`.
    ///
    /// - Throws: ``UVError/notConnected`` for a stream that is not open, has failed to connect or cannot be read,
    ///   ``UVError/noSpace`` when the user's watches have run out, ``UVError/canceled`` when the loop has closed it.
    public final func readStart(
        onBytes: @escaping (Stream, RawSpan) -> Void,
        onEnd: @escaping (Stream, UVError?) -> Void,
    ) throws(UVError) {
        try preconditionReadable()
        hasReadToEnd = false
        self.onBytes = onBytes
        self.onEnd = onEnd
        do throws(UVError) {
            try readResume()
        } catch {
            self.onBytes = nil
            self.onEnd = nil
            throw error
        }
    }

    /// Reads on after ``readStop()``, with the same callbacks; does nothing while the stream reads.
    ///
    /// - Throws: as ``readStart(onBytes:onEnd:)`` does; ``UVError/notConnected`` also once the stream has ended.
    public final func readResume() throws(UVError) {
        try preconditionReadable()
        guard !hasReadToEnd else { throw .notConnected }
        require(onEnd != nil, "\(publicName).readResume: readStart comes first")
        // It would read before the tick that tells of the connect.
        guard !queue.isConnecting else { throw .notConnected }
        let status = uv_read_start(
            raw.stream,
            { raw, _, buffer in
                // No user code here: stopping or closing inside this callback crashes libuv (H31).
                withHandle(raw!.pointee.data, as: Stream.self) { stream in
                    buffer!.pointee = uv_buf_init(
                        stream.loop.readBuffer.lend().assumingMemoryBound(to: CChar.self),
                        UInt32(ReadBuffer.capacity))
                }
            },
            { raw, count, buffer in
                withHandle(raw!.pointee.data, as: Stream.self) { $0.received(count) }
            },
        )
        if status == UV_EALREADY.rawValue { return }
        try check(status)
        do throws(UVError) {
            try Watches.take(raw.stream)
        } catch {
            // Always returns 0 for a stream.
            _ = uv_read_stop(raw.stream)
            throw error
        }
    }

    /// Pauses reading; bytes wait in the kernel, and its buffer limits what the peer can send. Mirrors `uv_read_stop`.
    public final func readStop() {
        guard !isClosing else { return }
        loop.requireOwner()
        // Always returns 0 for a stream.
        _ = uv_read_stop(raw.stream)
    }

    private func preconditionReadable() throws(UVError) {
        if !isUsable("\(publicName).readStart: the stream is closed") { throw isCanceled ? .canceled : .notConnected }
    }

    private func received(_ count: Int) {
        let buffer = loop.readBuffer
        defer { buffer.giveBack() }
        if count > 0 {
            idling?.noteActivity()
            guard let onBytes else { return }
            onBytes(self, UnsafeRawBufferPointer(start: buffer.base, count: count).bytes)
        } else if count < 0 {
            // libuv demands a stop here; 0 means nothing to read after all and is no event (H32).
            _ = uv_read_stop(raw.stream)
            hasReadToEnd = true
            onBytes = nil
            let error = count == Int(UV_EOF.rawValue) ? nil : readError(UVError(rawValue: CInt(count)))
            onEnd.take()?(self, error)
            finishing?.readToEnd(error)
        }
    }
}
