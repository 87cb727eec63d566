internal import KeeperProtocol
internal import UVLoop

/// The clients of the raw socket, and the order in which they are read.
extension LineForwarder {
    /// Takes over the descriptor of a connection.
    func add(_ descriptor: Int32) {
        guard isServing else { return OwnedDescriptor(descriptor).close() }
        lastNumber += 1
        let client = LineClient(
            descriptor, number: lastNumber, turn: turnCount, maximumLineLength: limits.lineLength, on: loop)
        clients[client.number] = client
        budget.add()
        if case .wouldBlock = Descriptors.receive(from: descriptor, into: slice(1), peeking: true) {
            watch(client)
        } else {
            scheduleFresh(client)
        }
        renewShares()
        limitClients()
    }

    /// Schedules the first read of a client that had sent something, perhaps everything, when it was accepted. The read
    /// comes after one more look of the loop, which does not wait: only that look reports everything others sent
    /// before.
    private func scheduleFresh(_ client: LineClient) {
        fresh.append(client)
        guard fresh.count == 1 else { return }
        // The first tick ends the present round of the loop; the second comes after another look, which may report
        // more.
        loop.onNextTick { [self] in
            let batch = fresh
            fresh = []
            loop.onNextTick { [self] in take(batch) }
        }
    }

    private func take(_ batch: [LineClient]) {
        for client in batch { prepare(client) }
        turn()
    }

    /// Notes that a connection could not be accepted; the connection waits in the backlog.
    func refused(_ error: UVError) { refusals.note("\(error)") }

    func watch(_ client: LineClient) {
        do throws(UVError) {
            try client.watch { [unowned self] client in schedule(client) }
        } catch {
            // If the watch fails, later bytes of the client would go unnoticed, so its connection ends.
            refused(error)
            loseLine(of: client)
            drop(client)
        }
    }

    func schedule(_ client: LineClient) {
        prepare(client)
        guard !isTurnScheduled else { return }
        isTurnScheduled = true
        loop.onNextTick { [self] in turn() }
    }

    private func prepare(_ client: LineClient) {
        guard !client.isReady else { return }
        client.isReady = true
        ready.append(client)
    }

    private func turn() {
        isTurnScheduled = false
        swap(&ready, &spare)
        if spare.count > 1 { sort(&spare) }
        for client in spare {
            client.isReady = false
            read(client)
        }
        input.flush()
        spare.removeAll(keepingCapacity: spare.capacity <= limits.clients)
    }

    func forget(_ client: LineClient) {
        changePending(by: -client.framer.pendingByteCount)
        pendingChanged()
        guard clients.removeValue(forKey: client.number) != nil else { return }
        budget.remove()
        limitClients()
    }

    func limitClients() {
        let isFull = clients.count >= min(limits.clients, budget.rawLimit) || budget.isFull
        guard isFull != isPaused, !listener.isClosing else { return }
        isPaused = isFull
        guard !isFull else { return listener.pause() }
        do throws(UVError) { try listener.resume() } catch { refused(error) }
    }
}
