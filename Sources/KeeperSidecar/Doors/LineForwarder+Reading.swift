internal import KeeperProtocol
internal import UVLoop

/// How a client is read: never the byte by which a line is too long, nor what nobody will take, so that the close that
/// follows is a reset for the client and not the clean one that confirms.
extension LineForwarder {
    /// One client's part of a turn.
    func read(_ client: LineClient) {
        guard client.state == .reading else { return }
        var left = limits.turnByteCount
        // A client that has finished is read to its end, however much its socket holds: later ones come after it.
        while left > 0 || client.isAtEnd {
            switch way {
            case .open: break
            case .broken: return refuse(client)
            case .ending, .stopped: return
            }
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
                // Its line may have been lost, and the connection closed.
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

    /// How many bytes may be read now; nil if none, and then the client has been dealt with.
    private func readableLength(of client: LineClient) -> Int? {
        let room = limits.lineLength - client.framer.pendingByteCount
        // The last byte of the longest line, or whatever comes while there is no room, must be looked at first.
        let mustLook = room == 1 || !hasRoom(for: client)
        // The rest of a line is hardly longer than what has come of it.
        let most = mustLook ? max(LineForwarder.shortestLook, client.framer.pendingByteCount) : buffer.count
        let length = min(buffer.count, most, max(1, room - 1))
        guard makeRoom(length, for: client) else { return nil }
        guard mustLook else { return length }
        switch Descriptors.receive(from: client.descriptor, into: slice(length), peeking: true) {
        case .bytes(let count):
            let newline = buffer[..<count].firstIndex(of: UInt8(ascii: "\n"))
            guard newline == nil, room == 1 else { return newline.map { $0 + 1 } ?? count }
            drops.note("a line is longer than \(limits.lineLength) bytes; its connection is closed")
            drop(client)
            return nil
        // The read tells the same.
        case .wouldBlock, .end, .failed: return length
        }
    }

    private func received(_ count: Int, from client: LineClient) {
        if let read = client.readAfterGivingUp { client.readAfterGivingUp = read + count }
        let before = client.framer.pendingByteCount
        let bytes = UnsafeRawBufferPointer(slice(count)).bytes
        let isAccepted = client.framer.append(bytes) { lines in take(lines, from: client) }
        changePending(by: client.framer.pendingByteCount - before)
        pendingChanged()
        if !isAccepted {
            drops.note("there is no memory for a line; its connection is not confirmed")
            lose(client)
        }
        if client.state == .held { letGo(client) }
    }

    private func ended(_ client: LineClient) {
        let pending = client.framer.pendingByteCount
        if client.hasGivenUp {
            drops.note("a client gave up after \(pending) bytes of a line, which waited too long to be read")
            return drop(client)
        }
        client.framer.finish { line in take(line, from: client) }
        changePending(by: client.framer.pendingByteCount - pending)
        if client.end <= input.written { return drop(client) }
        client.unwatch()
        if case .open = way, client.end != .max { client.state = .finished } else { hold(client) }
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

    /// Nobody reads the child's stdin: what comes is left unread.
    private func refuse(_ client: LineClient) {
        switch Descriptors.receive(from: client.descriptor, into: slice(1), peeking: true) {
        case .bytes:
            drops.note("pi has closed its stdin; the connection that sent it is reset")
            drop(client)
        case .wouldBlock: keepWatching(client)
        case .end:
            if client.framer.pendingByteCount == 0, client.end <= input.written { drop(client) } else { hold(client) }
        case .failed(let error): failed(client, error)
        }
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
            // The connection has been read to its end, so this is a line, and a clean close would confirm it.
            ended(client)
        } else {
            drops.note("unfinished lines of all connections take \(budget.pendingByteCount) bytes; the longest goes")
            loseLine(of: client)
        }
    }
}
