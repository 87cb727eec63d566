internal import CLibUV

extension PipeStream {
    /// Connects to the unix socket at `path`; `completion` runs once, on a later tick.
    ///
    /// With an error, the stream is closing already: a failed connect poisons the C handle, so every attempt takes a
    /// fresh stream (H17). Bytes written meanwhile are queued and sent after the connect, or end with its error. A full
    /// backlog is reported as ``UVError/wouldBlock`` and nothing waits for it to clear (H16): try again a little later.
    /// Closing before the completion ends it with ``UVError/canceled`` (H20). Mirrors `uv_pipe_connect`.
    ///
    /// - Throws: what ``SocketPath/check(_:)`` throws about the path, before anything is opened.
    public convenience init(
        connectingTo path: String,
        on loop: Loop,
        completion: @escaping (PipeStream, UVError?) -> Void,
    ) throws(UVError) {
        try SocketPath.check(path)
        try self.init(unconnectedOn: loop, isOpen: false)
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        // The handle's own retain covers its requests: libuv ends them before it calls the close callback.
        request.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        connectRequest = request
        onConnect = completion
        let status = uvkeeper_pipe_connect(request, raw.pipe, path, path.utf8.count) { request, status in
            let stream: PipeStream = object(request!.pointee.data)
            stream.connected(status)
        }
        if status < 0 {
            // libuv 1.46 and later may refuse at once; then no callback comes, and ours must not run inside this call.
            loop.onNextTick { self.connected(status) }
        }
    }

    /// Does nothing the second time.
    func connected(_ status: CInt) {
        guard let completion = onConnect else { return }
        onConnect = nil
        var error = failure(status)
        if error == nil, isClosing { error = .canceled }
        if let error {
            fail(error)
            close()
        } else {
            sending.isOpen = true
            flush()
        }
        completion(self, error)
        // Writes of no bytes have nothing to wait for but the connect.
        if !isClosing { scheduleDelivery() }
    }
}
