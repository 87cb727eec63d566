internal import KeeperProtocol
internal import UVLoop

/// Who may be read while lines wait for the child: each client has its share, all together have a bound, and among those that
/// wait for room the earlier one goes first.
extension LineForwarder {
    /// True if more of a client may be read than the end of a line.
    func hasRoom(for client: LineClient) -> Bool {
        if client.end <= input.written { client.share = 0 }
        if input.waitingByteCount(from: .raw) >= ChannelDoor.room, isOtherDoorCrowded() { return false }
        return input.waitingByteCount < limits.waitingByteCount && client.number <= earliestWaiting
            && !mustWaitForShare(client)
    }

    /// A client that has finished has no more than what its socket holds, and goes before later ones.
    private func mustWaitForShare(_ client: LineClient) -> Bool {
        hasShares && client.share >= limits.turnByteCount && !client.isAtEnd
    }

    /// Reads nothing more of a client for now.
    func pause(_ client: LineClient) {
        client.state = .paused
        client.unwatch()
        wait(client)
    }

    private func wait(_ client: LineClient) {
        paused.append(client)
        guard mustWaitForShare(client) else { return earliestWaiting = min(earliestWaiting, client.number) }
        // Those that wait for their share keep nobody.
        if !shareTimer.isActive { boundSharing() }
    }

    /// A child that does not take in a while what waits now is not fed from memory at hand anyway; its clients, which have
    /// little patience, may fill all the memory there is.
    private func boundSharing() {
        let end = input.enqueued
        shareTimer.start(after: LineForwarder.shareTime) { [unowned self] _ in
            guard !paused.isEmpty else { return }
            guard input.written < end else { return boundSharing() }
            hasShares = false
            renewShares()
        }
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
        guard !paused.isEmpty, input.waitingByteCount <= limits.waitingByteCount / 2 else { return }
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

    /// An idle keeper keeps no memory for unfinished lines.
    private func releaseLater() {
        guard !restTimer.isActive else { return }
        restTimer.start(after: LineForwarder.rest) { [unowned self] _ in
            guard hadUnfinished, pendingByteCount < LineForwarder.smallMemory else { return }
            hadUnfinished = false
            CurrentProcess.giveBackFreeMemory()
        }
    }

    /// Notes that unfinished lines take more memory, or less, than before.
    func pendingChanged() {
        if pendingByteCount >= LineForwarder.smallMemory {
            hadUnfinished = true
        } else if hadUnfinished {
            releaseLater()
        }
    }
}
