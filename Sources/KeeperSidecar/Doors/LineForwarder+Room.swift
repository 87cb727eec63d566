internal import KeeperProtocol
internal import UVLoop

/// The rules for reading while lines wait for the child: each client has its share, all together have a bound, and
/// among clients that wait for room the earlier one goes first.
extension LineForwarder {
    /// True if more of a client may be read than the rest of an unfinished line.
    func hasRoom(for client: LineClient) -> Bool {
        if client.end <= input.written { client.share = 0 }
        return !isFull && client.number <= earliestWaiting && !mustWaitForShare(client)
    }

    /// True if no client may be read on: the memory for waiting lines is used up, or this door's part while clients of
    /// the other one wait.
    private var isFull: Bool {
        input.waitingByteCount >= limits.waitingByteCount
            || input.waitingByteCount(from: .raw) >= ChannelDoor.room && isOtherDoorCrowded()
    }

    /// Puts clients in the order in which they are read.
    func sort(_ clients: inout [LineClient]) {
        // One that has used up the room may have closed since: the rest of its lines then goes before those of later ones.
        for client in clients where client.state != .closed && client.lastTurn > 0 { client.lookAtPeer() }
        clients.sort { $0.goesBefore($1) }
    }

    /// Notes that a client has been read. If it has used up the room, others that wait go before it.
    func noteTurn(of client: LineClient) {
        guard isFull else { return client.lastTurn = 0 }
        turnCount += 1
        client.lastTurn = turnCount
    }

    /// True if the client has used up its share. A client that has finished need not wait: the rest is at most what its
    /// socket holds, and goes before later clients' lines.
    private func mustWaitForShare(_ client: LineClient) -> Bool {
        hasShares && client.share >= limits.turnByteCount && !client.isAtEnd
    }

    /// Stops reading a client for now.
    func pause(_ client: LineClient) {
        client.state = .paused
        client.unwatch()
        wait(client)
    }

    private func wait(_ client: LineClient) {
        paused.append(client)
        guard mustWaitForShare(client) else { return earliestWaiting = min(earliestWaiting, client.number) }
        // Clients that wait for their share hold up no others.
        if !shareTimer.isActive { boundSharing() }
    }

    /// Ends the shares if the child takes longer than ``shareTime`` for the bytes that wait now. The point of shares,
    /// memory that stays in the processor's cache, is lost then, and the clients, which have little patience, may fill
    /// all the memory there is.
    private func boundSharing() {
        let end = input.enqueued
        shareTimer.start(after: LineForwarder.shareTime) { [unowned self] _ in
            guard !paused.isEmpty else { return }
            guard input.written < end else { return boundSharing() }
            hasShares = false
            renewShares()
        }
    }

    /// Renews the shares of all paused clients: they may have closed before the client that comes now.
    func renewShares() {
        for client in paused {
            client.share = 0
            earliestWaiting = min(earliestWaiting, client.number)
        }
        resumePaused()
    }

    /// Resumes paused clients that have room again.
    func resumePaused() {
        // Clients are resumed at half of the bound, not at the first free byte: each waiting client is asked then.
        guard !paused.isEmpty, input.waitingByteCount <= limits.waitingByteCount / 2 else { return }
        var waiting: [LineClient] = []
        swap(&waiting, &paused)
        earliestWaiting = .max
        sort(&waiting)
        for client in waiting where client.state == .paused {
            guard hasRoom(for: client) else {
                wait(client)
                continue
            }
            // The client may have sent everything long ago, and then the loop reports nothing more.
            client.resume()
            schedule(client)
        }
    }

    /// Gives back the memory of unfinished lines after a rest, so that an idle keeper keeps none.
    private func releaseLater() {
        guard !restTimer.isActive else { return }
        restTimer.start(after: LineForwarder.rest) { [unowned self] _ in
            guard hadUnfinished, pendingByteCount < LineForwarder.smallMemory else { return }
            hadUnfinished = false
            CurrentProcess.giveBackFreeMemory()
        }
    }

    /// Called when unfinished lines take more memory, or less, than before.
    func pendingChanged() {
        if pendingByteCount >= LineForwarder.smallMemory {
            hadUnfinished = true
        } else if hadUnfinished {
            releaseLater()
        }
    }
}
