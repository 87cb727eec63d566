internal import KeeperProtocol
internal import UVLoop

/// Who may be read while lines wait for the child: each client has its share, all together have a bound, and among those that
/// wait for room the earlier one goes first.
extension LineForwarder {
    /// Bytes of lines that the child's pipe has not taken.
    var waitingByteCount: Int { queue.count + child.queuedByteCount }

    /// True if more of a client may be read than the end of a line.
    func hasRoom(for client: LineClient) -> Bool {
        if client.end <= taken { client.share = 0 }
        guard client.share < LineForwarder.turnByteCount, waitingByteCount < maximumWaitingByteCount else {
            return false
        }
        // An earlier one that waits for room, and not for its share, goes first.
        return !paused.contains { earlier in
            earlier.state == .paused && earlier.number < client.number && earlier.share < LineForwarder.turnByteCount
        }
    }

    /// Reads on those that have room again.
    func resumePaused() {
        // Not at the first free byte: each one that waits is asked then.
        guard !paused.isEmpty, waitingByteCount <= maximumWaitingByteCount / 2 else { return }
        var waiting: [LineClient] = []
        swap(&waiting, &paused)
        waiting.sort { $0.number < $1.number }
        for client in waiting where client.state == .paused {
            guard hasRoom(for: client) else {
                paused.append(client)
                continue
            }
            // The client may have sent everything long ago, and then no news of it comes.
            client.resume()
            schedule(client)
        }
    }
}
