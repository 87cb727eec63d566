internal import KeeperProtocol
internal import UVLoop

/// The last steps: what has been read is confirmed or not, and the clients are let go.
extension LineForwarder {
    /// Closes the child's stdin, with whatever waits for it.
    func closeStdin() { child.close() }

    /// Reads and writes nothing more.
    func stop() {
        input = .stopped
        onStdinClosed = nil
        drops.flush()
        refusals.flush()
        for client in clients.values { client.unwatch() }
    }

    /// At the end of the session, while the keeper still holds its lock: closes the connections whose every line the child's
    /// pipe has taken, which confirms them.
    ///
    /// - Returns: whether that is true of every connection that was read to its end so far. If not, a clean close proves
    ///   nothing from now on.
    func confirmTaken() -> Bool {
        var isComplete = true
        for client in clients.values {
            let isTaken = client.end <= taken && client.framer.pendingByteCount == 0 && client.state != .held
            switch Descriptors.receive(from: client.descriptor, into: buffer, peeking: true) {
            // Unread bytes make a reset of the close.
            case .bytes, .failed: break
            case .end where !isTaken: isComplete = false
            // A client in the middle of a line has not finished, and cannot take a close for a confirmation.
            case .wouldBlock where client.framer.pendingByteCount > 0: break
            case .wouldBlock where !isTaken: isComplete = false
            case .end, .wouldBlock:
                forget(client)
                client.close()
            }
        }
        return isComplete
    }

    /// Drops every client that is left.
    func close() {
        for client in clients.values { client.close() }
        clients = [:]
        queue.removeAll()
    }
}
