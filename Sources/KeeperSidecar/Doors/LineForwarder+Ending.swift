internal import KeeperProtocol
internal import UVLoop

/// The last steps, of a client whose line is lost and of all: what has been read is confirmed or not, and the clients are let
/// go.
extension LineForwarder {
    /// Gives up a client of which a line was read and will not arrive: a clean close would confirm it. ``letGo(_:)`` follows,
    /// when nothing of it is being passed on.
    func lose(_ client: LineClient) {
        client.end = .max
        client.state = .held
        client.unwatch()
    }

    /// Throws away the unfinished line of a client.
    func loseLine(of client: LineClient) {
        drops.note("the \(client.framer.pendingByteCount) bytes of an unfinished line are lost; it is not confirmed")
        changePending(by: -client.framer.pendingByteCount)
        client.framer = LineFramer(maximumLineLength: limits.lineLength)
        lose(client)
        letGo(client)
    }

    /// Closes the connection of a lost line as soon as that is no clean close for its peer: with anything unread it is a reset.
    func letGo(_ client: LineClient) {
        switch Descriptors.receive(from: client.descriptor, into: slice(1), peeking: true) {
        case .bytes, .failed: drop(client)
        case .end: hold(client)
        case .wouldBlock:
            client.state = .held
            watchHeld { () throws(UVError) in try client.watch { [unowned self] client in letGo(client) } }
        }
    }

    /// Keeps a connection that must not be closed cleanly, until its peer is gone and cannot be misled.
    func hold(_ client: LineClient) {
        client.state = .held
        watchHeld { () throws(UVError) in
            try client.watchPeer { [unowned self] client in
                if Descriptors.hangUp(of: client.descriptor) == .everything { drop(client) }
            }
        }
    }

    private func watchHeld(_ watch: () throws(UVError) -> Void) {
        do throws(UVError) { try watch() } catch {
            // It stays until the end of the session.
            refused(error)
        }
    }

    func stopReading() {
        for client in clients.values where client.state == .reading || client.state == .paused { watchEnd(of: client) }
    }

    /// A client may wait for the confirmation of lines that the child has by now.
    private func watchEnd(of client: LineClient) {
        do throws(UVError) {
            try client.watchEnd { [unowned self] client in endedAfterInput(client) }
        } catch {
            client.unwatch()
        }
    }

    private func endedAfterInput(_ client: LineClient) {
        client.unwatch()
        guard case .end = Descriptors.receive(from: client.descriptor, into: slice(1), peeking: true) else { return }
        // What has no newline was not passed on, and is lost.
        guard client.framer.pendingByteCount == 0 else { return hold(client) }
        if client.end <= input.written { drop(client) } else { client.state = .finished }
    }

    /// True if the child's pipe has taken all that was read of a client, and nothing of it was lost.
    private func isTaken(_ client: LineClient) -> Bool {
        client.end <= input.written && client.framer.pendingByteCount == 0 && client.state != .held
    }

    /// At the end of the session, while the keeper still holds its lock: closes the connections whose every line the child's
    /// pipe has taken, which confirms them.
    ///
    /// - Returns: whether that is true of every connection that was read to its end so far. If not, a clean close proves
    ///   nothing from now on.
    func confirmTaken() -> Bool {
        var isComplete = true
        for client in clients.values {
            let isTaken = isTaken(client)
            switch Descriptors.receive(from: client.descriptor, into: buffer, peeking: true) {
            // Unread bytes make a reset of the close.
            case .bytes, .failed: break
            case .end where !isTaken: isComplete = false
            // Also one in the middle of a line: it may say afterwards that this was its last.
            case .wouldBlock where !isTaken: isComplete = false
            case .end, .wouldBlock:
                drop(client)
            }
        }
        return isComplete
    }

    /// Drops every client that is left.
    func close() {
        for client in clients.values { client.close() }
        clients = [:]
        restTimer.close()
        shareTimer.close()
    }
}
