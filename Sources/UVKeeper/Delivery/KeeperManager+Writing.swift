public import KeeperProtocol
internal import UVLoop

extension KeeperManager {
    /// Writes one line to a session's keeper.
    ///
    /// A line has up to three attempts of 350 ms with pauses of 50 and 150 ms, as in the original, so the outcome comes
    /// after 1.25 s at the latest, counted from when the line is at the head of its session's queue; lines that have
    /// waited behind it for all that time are refused with it. A missing or refusing socket costs an attempt; a
    /// configuration error (permission, path too long, a file that is no socket) ends at once. A line is not tried again
    /// once any byte of it was handed over. Lines of one session arrive in the order of the calls. `completion` runs
    /// exactly once, on a later tick. Mirrors `writeRpc`.
    ///
    /// - Parameters:
    ///   - line: any bytes; a newline is added if the last byte is none. Newlines within make several lines of it.
    ///   - session: the session; no keeper is started.
    ///   - completion: the original's Boolean is true for ``WriteOutcome/written`` and ``WriteOutcome/sent``.
    public func writeRPC(_ line: [UInt8], to session: SessionID, completion: @escaping (WriteOutcome) -> Void) {
        self.session(session).write(line, completion: completion)
    }

    /// Writes one line, as above.
    public func writeRPC(_ line: String, to session: SessionID, completion: @escaping (WriteOutcome) -> Void) {
        writeRPC(Array(line.utf8), to: session, completion: completion)
    }

    /// Writes one line to the raw socket at a path, as above; no outcome is better than ``WriteOutcome/sent``. Mirrors
    /// `writeRpcToSockPath`.
    public func writeRPC(_ line: [UInt8], toSocketAt path: String, completion: @escaping (WriteOutcome) -> Void) {
        loop.preconditionOnThread()
        guard !isClosed else { return refuse(.closed, completion) }
        queue(for: path).add(line, .attempts, completion)
    }

    /// Writes one line, as above.
    public func writeRPC(_ line: String, toSocketAt path: String, completion: @escaping (WriteOutcome) -> Void) {
        writeRPC(Array(line.utf8), toSocketAt: path, completion: completion)
    }

    private func queue(for path: String) -> SessionQueue {
        if let queue = queues[ByteText(path)] { return queue }
        if queues.count >= nextQueueLook { forgetIdleQueues() }
        let queue = SessionQueue(toSocketAt: path, limits: options.limits, on: loop)
        queues[ByteText(path)] = queue
        return queue
    }

    private func forgetIdleQueues() {
        for (path, queue) in queues where queue.isIdle {
            queue.close()
            queues[path] = nil
        }
        nextQueueLook = max(KeeperManager.rememberedCount, 2 * queues.count)
    }

    func refuse(_ error: KeeperError, _ completion: @escaping (WriteOutcome) -> Void) {
        loop.onNextTick { completion(.refused(error)) }
    }
}

extension KeeperManager.Options {
    /// The limits on the lines that wait for a session.
    var limits: SessionQueue.Limits {
        .init(lines: maximumWaitingLines, bytes: maximumWaitingBytes, line: maximumLineLength)
    }
}
