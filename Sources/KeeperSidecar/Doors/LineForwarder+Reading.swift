internal import KeeperProtocol
internal import UVLoop

/// Reading a client, and closing it: at its end, or when a line of it is too long or finds no memory.
extension LineForwarder {
    /// Reads one client: its part of a turn.
    func read(_ client: LineClient) {
        guard client.state == .reading else { return }
        var left = limits.turnByteCount
        defer { if left < limits.turnByteCount { noteTurn(of: client) } }
        // A client that has finished is read to its end, however much its socket holds: later clients come after it.
        while left > 0 || client.isAtEnd {
            guard isServing else { return }
            // A client in the middle of a line is read to the line's end: if it then gives up waiting, no fragment is
            // left.
            guard hasRoom(for: client) || client.framer.pendingByteCount > 0 else { return pause(client) }
            guard let length = readableLength(of: client) else { return }
            switch Descriptors.receive(from: client.descriptor, into: slice(length)) {
            case .bytes(let count):
                // A client that has finished, or that is unwatched and may have, still has much unread: it may have
                // given up waiting for room.
                if count == length, client.isAtEnd || !client.isWatched, client.readAfterGivingUp == nil {
                    client.lookAtPeer()
                    // The count starts below zero: these bytes were read before the look, and `received` adds them.
                    if !client.isWatched, client.readAfterGivingUp != nil { client.readAfterGivingUp = -count }
                }
                left -= count
                client.share += count
                received(count, from: client)
                // A line of this client may have been lost, and its connection closed.
                guard client.state == .reading else { return }
                // A read shorter than asked for has emptied the socket; only the end may follow. For a client just
                // accepted the end is looked for at once: if it is there, the client need not be watched at all.
                if count < length, !client.isAtEnd, client.isWatched { return keepWatching(client) }
            case .wouldBlock: return keepWatching(client)
            case .end: return ended(client)
            case .failed(let error): return failed(client, error)
            }
        }
        keepWatching(client)
    }

    func slice(_ length: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
    }

    private func keepWatching(_ client: LineClient) {
        guard client.state == .reading else { return }
        watch(client)
    }

    /// The number of bytes that may be read now; nil if the client was closed to make room for others.
    private func readableLength(of client: LineClient) -> Int? {
        let hasRoom = hasRoom(for: client)
        // If there is no room, only the rest of the line may be read: hardly more bytes than have already come of it.
        let most = hasRoom ? buffer.count : max(LineForwarder.shortestLook, client.framer.pendingByteCount)
        // No more is read than the longest line may still have: so many bytes are enough to find it too long.
        let length = min(buffer.count, most, limits.lineLength - client.framer.pendingByteCount)
        guard makeRoom(length, for: client) else { return nil }
        guard !hasRoom else { return length }
        guard case .bytes(let count) = Descriptors.receive(from: client.descriptor, into: slice(length), peeking: true)
        else {
            // The read that follows gives the same result.
            return length
        }
        return NewlineScan.first(in: UnsafeRawBufferPointer(slice(count))).map { $0 + 1 } ?? count
    }

    private func received(_ count: Int, from client: LineClient) {
        if let read = client.readAfterGivingUp { client.readAfterGivingUp = read + count }
        let before = client.framer.pendingByteCount
        let bytes = UnsafeRawBufferPointer(slice(count)).bytes
        var isTaken = true
        let isAccepted = client.framer.append(bytes) { lines in
            if !take(lines, from: client) { isTaken = false }
        }
        changePending(by: client.framer.pendingByteCount - before)
        pendingChanged()
        if case .tooLong = client.framer.refusal {
            drops.note("a line is longer than \(limits.lineLength) bytes; its connection is closed")
            drop(client)
        } else if !isAccepted || !isTaken {
            drops.note("there is no memory for a line; its connection is closed")
            drop(client)
        }
    }

    private func ended(_ client: LineClient) {
        let pending = client.framer.pendingByteCount
        if client.hasGivenUp {
            drops.note("a client gave up after \(pending) bytes of a line, which waited too long to be read")
            return drop(client)
        }
        var isTaken = true
        client.framer.finish { line in isTaken = take(line, from: client) }
        changePending(by: client.framer.pendingByteCount - pending)
        if !isTaken { drops.note("there is no memory for a line") }
        drop(client)
    }

    /// Logs that a client's unfinished line is lost, if there is one.
    func loseLine(of client: LineClient) {
        guard client.framer.pendingByteCount > 0 else { return }
        drops.note("the \(client.framer.pendingByteCount) bytes of an unfinished line are lost")
    }

    private func failed(_ client: LineClient, _ error: UVError) {
        let pending = client.framer.pendingByteCount
        if pending > 0 { drops.note("\(error.name) after \(pending) bytes without a newline") }
        drop(client)
    }

    func drop(_ client: LineClient) {
        forget(client)
        client.close()
    }

    /// Makes room for so many bytes among the unfinished lines. Lines completed since the memory for waiting lines was
    /// full count too: otherwise many clients in the middle of a line could take any amount.
    ///
    /// - Returns: false if this client was closed to make the room.
    private func makeRoom(_ length: Int, for client: LineClient) -> Bool {
        let excess = max(0, input.waitingByteCount - limits.waitingByteCount)
        return budget.makeRoom(length, excess: excess) { client.state == .reading }
    }

    /// The client with the longest unfinished line, and a closure that loses the line.
    var largest: (byteCount: Int, lose: () -> Void)? {
        guard let client = clients.values.max(by: { $0.framer.pendingByteCount < $1.framer.pendingByteCount }) else {
            return nil
        }
        return (client.framer.pendingByteCount, { [self] in loseLongest(client) })
    }

    private func loseLongest(_ client: LineClient) {
        if case .end = Descriptors.receive(from: client.descriptor, into: slice(1), peeking: true) {
            // The connection has been read to its end, so the pending bytes are a whole line.
            ended(client)
        } else {
            drops.note("unfinished lines of all connections take \(budget.pendingByteCount) bytes; the longest goes")
            drop(client)
        }
    }
}
