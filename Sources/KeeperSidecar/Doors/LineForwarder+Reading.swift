internal import KeeperProtocol
internal import UVLoop

/// How a client is read, and when it is closed: at its end, or when a line of it is too long or finds no memory.
extension LineForwarder {
    /// One client's part of a turn.
    func read(_ client: LineClient) {
        guard client.state == .reading else { return }
        var left = limits.turnByteCount
        // A client that has finished is read to its end, however much its socket holds: later ones come after it.
        while left > 0 || client.isAtEnd {
            guard isServing else { return }
            // A client in the middle of a line is read on to its end: one that gives up waiting leaves no fragment then.
            guard hasRoom(for: client) || client.framer.pendingByteCount > 0 else { return pause(client) }
            guard let length = readableLength(of: client) else { return }
            switch Descriptors.receive(from: client.descriptor, into: slice(length)) {
            case .bytes(let count):
                // Much waits of a client that has finished, or may have, unwatched: it may have given up waiting for room.
                if count == length, client.isAtEnd || !client.isWatched, client.readAfterGivingUp == nil {
                    client.lookAtPeer()
                    // This much was read before the look.
                    if !client.isWatched, client.readAfterGivingUp != nil { client.readAfterGivingUp = -count }
                }
                left -= count
                client.share += count
                received(count, from: client)
                // A line of it may have been lost, and the connection closed.
                guard client.state == .reading else { return }
                // Less than there was room for: nothing waits any more, but perhaps the end. That of a client which was just
                // accepted is looked for at once: if it is there, the client need not be watched at all.
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

    /// How many bytes may be read now; nil if the client has been closed to make room for others.
    private func readableLength(of client: LineClient) -> Int? {
        let hasRoom = hasRoom(for: client)
        // Without room only the end of the line may be read. It is hardly longer than what has come of it.
        let most = hasRoom ? buffer.count : max(LineForwarder.shortestLook, client.framer.pendingByteCount)
        // As many bytes as the longest line has left tell that it is too long.
        let length = min(buffer.count, most, limits.lineLength - client.framer.pendingByteCount)
        guard makeRoom(length, for: client) else { return nil }
        guard !hasRoom else { return length }
        guard case .bytes(let count) = Descriptors.receive(from: client.descriptor, into: slice(length), peeking: true)
        else {
            // The read tells the same.
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

    /// Says that the unfinished line of a client is lost, if there is one.
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

    /// Makes room for so many bytes among the unfinished lines. Lines that have been finished since the memory for those that
    /// wait was full count too: many clients in the middle of a line would take any amount otherwise.
    ///
    /// - Returns: false if that has cost this client.
    private func makeRoom(_ length: Int, for client: LineClient) -> Bool {
        let excess = max(0, input.waitingByteCount - limits.waitingByteCount)
        return budget.makeRoom(length, excess: excess) { client.state == .reading }
    }

    /// The client with the longest unfinished line, and how to lose it.
    var largest: (byteCount: Int, lose: () -> Void)? {
        guard let client = clients.values.max(by: { $0.framer.pendingByteCount < $1.framer.pendingByteCount }) else {
            return nil
        }
        return (client.framer.pendingByteCount, { [self] in loseLongest(client) })
    }

    private func loseLongest(_ client: LineClient) {
        if case .end = Descriptors.receive(from: client.descriptor, into: slice(1), peeking: true) {
            // The connection has been read to its end, so this is a line.
            ended(client)
        } else {
            drops.note("unfinished lines of all connections take \(budget.pendingByteCount) bytes; the longest goes")
            drop(client)
        }
    }
}
