internal import KeeperProtocol
internal import UVLoop

/// What a client is sent, up to how its session ended.
extension ChannelClient {
    func send(_ message: ChannelMessage) {
        guard !isClosed, !stream.isShutDown else { return }
        stream.write(message.header)
    }

    func send(_ message: UnsafeRawBufferPointer) {
        guard !isClosed, !stream.isShutDown else { return }
        stream.write(message.bytes)
    }

    /// True if output that is sent now does not wait.
    var hasRoomForOutput: Bool { !isClosed && !stream.isShutDown && stream.queuedByteCount == 0 }

    /// Tells the writer how far its lines have come; while the connection is full only the last number counts.
    func acknowledge() {
        guard isServed, let writer else { return }
        isAcknowledgementDue = true
        guard stream.queuedByteCount == 0 else { return }
        sendDueAcknowledgement()
        if let firstRefused, !writer.isWaiting { inputClosed(firstLost: firstRefused) }
        endSoon()
    }

    /// Sends the last number if the client has not had it, behind whatever waits for room.
    func sendDueAcknowledgement() {
        guard isAcknowledgementDue, let writer else { return }
        isAcknowledgementDue = false
        send(.acknowledged(writer.acknowledged))
    }

    /// Something that was owed was sent: looks whether that was all.
    func endSoon() {
        guard hasFinished else { return }
        door.loop.onNextTick { [self] in endIfNothingIsOwed() }
    }

    func drained() {
        guard !isClosed else { return }
        if isAcknowledgementDue { acknowledge() }
        if let reader { door.output?.serve(reader) }
        guard isServed else { return }
        resume()
        endIfNothingIsOwed()
    }

    /// Everything that a `read` without `follow` asked for was sent.
    func readEnded(_ offsets: [ChildStream: UInt64]) {
        let follows = reader?.follows == true
        stopReadingOutput()
        if !follows { send(.end(offsets)) }
        if let exit { return tell(exit) }
        endSoon()
    }

    // MARK: The end of the session

    /// Tells how the session ended, after the rest of what the client reads.
    func end(_ exit: SessionExit) {
        guard isServed else {
            // It knows why its connection ends, and the session does not wait for what it throws away.
            if stream.queuedByteCount == 0 { close() }
            return
        }
        sendDueAcknowledgement()
        guard let reader, let output = door.output else { return tell(exit) }
        self.exit = exit
        reader.finish(output)
        output.serve(reader)
    }

    private func tell(_ exit: SessionExit) {
        send(.exit(exit))
        self.exit = nil
        guard isServed else { return }
        stopServing()
        // Not a moment longer than the bytes take.
        stream.shutdown { [self] _ in close() }
    }
}
