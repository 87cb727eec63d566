internal import CLibUV

extension Stream {
    /// Starts reading: `onBytes` is lent each run of bytes as it arrives; `onEnd` is called once, with nil at the end
    /// of the stream or with the error when it fails.
    ///
    /// The span is valid during the call only; copy the bytes to keep them. After `onEnd` no more is read, and the
    /// stream stays writable until it is closed: end of stream means that the peer finished sending, not that it
    /// stopped reading. ``UVError/connectionReset`` means that the peer closed with our bytes unread (H29),
    /// ``UVError/canceled`` that the loop has closed the stream. After a close, `onEnd` is not called. Mirrors
    /// `uv_read_start`.
    ///
    /// - Throws: ``UVError/notConnected`` for a stream that is not open, has failed to connect or cannot be read,
    /// ``UVError/noSpace`` if the user's watches have run out, ``UVError/canceled`` if the loop has closed the stream.
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

    /// Continues reading after ``readStop()``, with the same callbacks; does nothing while the stream reads.
    ///
    /// - Throws: the errors of ``readStart(onBytes:onEnd:)``; ``UVError/notConnected`` also once the stream has ended.
    public final func readResume() throws(UVError) {
        try preconditionReadable()
        guard !hasReadToEnd else { throw .notConnected }
        require(onEnd != nil, "\(publicName).readResume: readStart comes first")
        // A connecting stream would read before the tick that reports the connect.
        guard !queue.isConnecting else { throw .notConnected }
        let status = uv_read_start(
            raw.stream,
            { raw, _, buffer in
                // No user code runs here: stopping or closing inside this callback crashes libuv (H31).
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
            // `uv_read_stop` always returns 0 for a stream.
            _ = uv_read_stop(raw.stream)
            throw error
        }
    }

    /// Pauses reading; bytes wait in the kernel, and its buffer limits what the peer can send. Mirrors `uv_read_stop`.
    public final func readStop() {
        guard !isClosing else { return }
        loop.requireOwner()
        // `uv_read_stop` always returns 0 for a stream.
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
            // libuv demands a stop after an error. A count of 0 means nothing to read after all, and is no event (H32).
            _ = uv_read_stop(raw.stream)
            hasReadToEnd = true
            onBytes = nil
            let error = count == Int(UV_EOF.rawValue) ? nil : readError(UVError(rawValue: CInt(count)))
            onEnd.take()?(self, error)
            finishing?.readToEnd(error)
        }
    }
}
