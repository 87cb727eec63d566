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
        return client.share < LineForwarder.turnByteCount && waitingByteCount < maximumWaitingByteCount
            && client.number <= earliestWaiting
    }

    /// Reads nothing more of a client for now.
    func pause(_ client: LineClient) {
        client.state = .paused
        client.unwatch()
        wait(client)
    }

    private func wait(_ client: LineClient) {
        paused.append(client)
        // Those that wait for their share keep nobody.
        if client.share < LineForwarder.turnByteCount { earliestWaiting = min(earliestWaiting, client.number) }
    }

    /// Gives all that are paused a share anew: they may have closed before the client that comes now.
    func renewShares() {
        for client in paused {
            client.share = 0
            earliestWaiting = min(earliestWaiting, client.number)
        }
        resumePaused()
    }

    /// Reads on those that have room again.
    func resumePaused() {
        // Not at the first free byte: each one that waits is asked then.
        guard !paused.isEmpty, waitingByteCount <= maximumWaitingByteCount / 2 else { return }
        var waiting: [LineClient] = []
        swap(&waiting, &paused)
        earliestWaiting = .max
        waiting.sort { $0.number < $1.number }
        for client in waiting where client.state == .paused {
            guard hasRoom(for: client) else {
                wait(client)
                continue
            }
            // The client may have sent everything long ago, and then no news of it comes.
            client.resume()
            schedule(client)
        }
    }
}
