internal import KeeperProtocol
internal import UVLoop

/// Errors, and the end of a connection that an error closes.
extension ChannelClient {
    /// Sends an error, and ends the connection if the error is of a kind that closes it.
    func fail(_ error: ChannelError) {
        guard error.code.closes else { return send(.error(error)) }
        part(error)
    }

    /// Ends the connection with an error, giving the client time to read it.
    func part(_ error: ChannelError) {
        guard isServed else { return }
        acknowledgeTaken()
        send(.error(error))
        leave()
    }

    /// Acknowledges lines of this turn before the connection ends.
    private func acknowledgeTaken() {
        if let writer, writer.hasUnacknowledged {
            door.input.flush()
            if writer.written(upTo: door.input.written) { isAcknowledgementDue = true }
        }
        sendDueAcknowledgement()
    }

    /// Ends the sending side; incoming bytes are discarded until the client ends too. While bytes to the client wait,
    /// none are read: a client that sends first and reads later needs all the time there is.
    func leave() {
        guard isServed else { return }
        stopServing()
        let isWaited = stream.queuedByteCount > 0
        if isWaited { parting = door.loop.after(ChannelConstants.partingTime) { [unowned self] in close() } }
        stream.finish(deadline: ChannelConstants.partingTime) { [self] _ in close() }
        if isWaited { stream.readStop() }
    }

    /// Discards what comes, once a parting client has taken all that was sent.
    func discard() {
        // A stream that has ended has nothing more to be read.
        do throws(UVError) { try stream.readResume() } catch { return }
    }
}
