internal import CLibUV

extension PipeStream {
    /// Connects to the unix socket at `path`; `completion` runs once, on a later tick.
    ///
    /// With an error, the stream is closing already: every attempt takes a fresh stream (H17). Bytes written meanwhile are
    /// queued and sent after the connect, or end with its error. A full backlog is reported as ``UVError/wouldBlock`` and
    /// nothing waits for it to clear (H16): try again a little later. Closing before the completion ends it with
    /// ``UVError/canceled`` (H20).
    ///
    /// Mirrors `uv_pipe_connect`, by system calls of its own: a unix socket is connected, or refused, when `connect(2)`
    /// returns, so there is nothing to wait for.
    ///
    /// - Throws: what ``SocketPath/check(_:)`` throws about the path, before anything is opened.
    public convenience init(
        connectingTo path: String,
        on loop: Loop,
        completion: @escaping (PipeStream, UVError?) -> Void,
    ) throws(UVError) {
        let address = try SocketPath.address(path)
        try self.init(unconnectedOn: loop, isOpen: false)
        onConnect = completion
        let error = connect(to: address)
        loop.onNextTick { self.connected(error) }
    }

    private func connect(to address: sockaddr_un) -> UVError? {
        do throws(UVError) {
            let descriptor = try checkErrno(uvkeeper_socket())
            do throws(UVError) {
                try checkErrno(address.withSockaddr { CLibUV.connect(descriptor, $0, $1) })
                try check(uv_pipe_open(raw.pipe, descriptor))
            } catch {
                Descriptors.close(descriptor)
                throw error
            }
            return nil
        } catch {
            return error
        }
    }

    /// Does nothing the second time.
    func connected(_ failure: UVError?) {
        guard let completion = onConnect else { return }
        onConnect = nil
        let error = isClosing ? .canceled : failure
        if let error {
            fail(error)
            closeAfterFailure()
        } else {
            sending.isOpen = true
            flush()
        }
        completion(self, error)
        // Writes of no bytes have nothing to wait for but the connect.
        if !isClosing { scheduleDelivery() }
    }
}
