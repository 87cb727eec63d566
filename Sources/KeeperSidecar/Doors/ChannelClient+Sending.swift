internal import KeeperProtocol
internal import UVLoop

/// Messages to a client, up to the one that says how the session ended.
extension ChannelClient {
    func send(_ message: ChannelMessage) {
        guard !isClosed, !stream.isShutDown else { return }
        let header = message.header
        if isServing { door.turns.note(header.count, for: self) }
        checkWrite(stream.write(header))
    }

    func send(_ message: UnsafeRawBufferPointer) {
        guard !isClosed, !stream.isShutDown else { return }
        checkWrite(stream.write(message.bytes))
    }

    /// Ends the serving of a client to which nothing can be written any more; the stream reports the error only at the
    /// next tick.
    private func checkWrite(_ hasRoom: Bool) {
        if !hasRoom, stream.writeError != nil { stopServing() }
    }

    /// True if output sent now would not have to wait.
    var hasRoomForOutput: Bool { isServed && !stream.isShutDown && stream.queuedByteCount == 0 }

    /// Acknowledges the writer's lines; while the connection is full, only the last number is kept for later.
    func acknowledge() {
        guard isServed, let writer else { return }
        isAcknowledgementDue = true
        guard stream.queuedByteCount == 0 else { return }
        sendDueAcknowledgement()
        if let firstRefused, !writer.isWaiting { inputClosed(firstLost: firstRefused) }
        endSoon()
    }

    /// Sends the last acknowledged number if it is due, behind any bytes that wait for room.
    func sendDueAcknowledgement() {
        guard isAcknowledgementDue, let writer else { return }
        isAcknowledgementDue = false
        send(.acknowledged(writer.acknowledged))
    }

    /// Ends the connection at the next tick if the client has finished and nothing is owed to it any more.
    func endSoon() {
        guard hasFinished else { return }
        door.loop.onNextTick { [self] in endIfNothingIsOwed() }
    }

    func drained() {
        guard !isClosed else { return }
        if isAcknowledgementDue { acknowledge() }
        if let reader { door.output?.serve(reader) }
        guard isServed else { return discard() }
        resume()
        endIfNothingIsOwed()
    }

    /// Called when everything that a `read` without `follow` asked for was sent.
    func readEnded(_ offsets: [ChildStream: UInt64]) {
        let follows = reader?.follows == true
        stopReadingOutput()
        if !follows { send(.end(offsets)) }
        if let exit { return tell(exit) }
        endSoon()
    }

    // MARK: The end of the session

    /// Tells how the session ended, after the rest of the output that the client reads.
    func end(_ exit: SessionExit) {
        guard isServed else {
            // The client has been told why its connection ends; the session does not wait while its bytes are
            // discarded.
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
        // The connection stays open just as long as the bytes take; until then nothing is read.
        if stream.queuedByteCount > 0 { stream.readStop() }
        stream.shutdown { [self] _ in close() }
    }
}
