internal import KeeperProtocol
internal import UVLoop

/// A client's lines.
extension ChannelClient {
    /// The writer of this client's lines; a nameless one of its own if the client has named none.
    private var ownWriter: Writer {
        if let writer { return writer }
        let writer = Writer(nil)
        writer.client = self
        self.writer = writer
        return writer
    }

    // MARK: Lines

    /// Takes all whole lines at hand, one after the other: the fast path of nearly every line. Any line that needs
    /// special care (a gap, a repetition, no room) is left to ``beginLine(_:_:)``.
    func takeLines(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) {
        var next = position
        guard !isRefusedWriter, let first = WriteHeader(in: bytes, at: &next), first.sequence == nextSequence else {
            return
        }
        let writer = ownWriter
        let longest = min(door.maximumLineLength, ChildInput.shortestDirectWrite - 1)
        var (room, end) = (door.roomLeft(for: self), position)
        door.input.appendShort(from: .channel) { queue, begin in
            var (header, taken, count) = (Optional(first), begin, 0)
            while let write = header, write.sequence == writer.last + 1,
                let line = ChannelClient.line(in: bytes, at: next, write.length), line.count <= min(longest, room),
                queue.append(line)
            {
                taken += UInt64(line.count)
                writer.took(end: taken)
                room -= line.count
                count += 1
                next += line.count
                end = next
                header = WriteHeader(in: bytes, at: &next)
            }
            return count
        }
        guard end > position else { return }
        position = end
        door.writers.noteTaken(writer)
        door.scheduleTurnEnd()
    }

    /// The line that begins at `start`, its newline included; nil if it is not whole yet, or its length is wrong.
    private static func line(in bytes: UnsafeRawBufferPointer, at start: Int, _ length: Int) -> UnsafeRawBufferPointer?
    {
        guard length > 0, length <= bytes.count - start else { return nil }
        var end = start + length
        if bytes[end - 1] != NewlineScan.newline {
            guard end < bytes.count, bytes[end] == NewlineScan.newline else { return nil }
            end += 1
        }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }

    /// Handles a `write` whose payload comes next.
    ///
    /// - Returns: false if there is no room for the line.
    func beginLine(_ sequence: UInt64, _ length: Int) throws(ChannelError) -> Bool {
        guard length <= door.maximumLineLength else {
            throw ChannelError(
                .tooLong, .write, sequence: sequence, "a line has \(door.maximumLineLength) bytes at most")
        }
        let fate = try fate(of: sequence)
        if case .taken = fate, !door.hasRoom(for: length, of: self) {
            expected = .request(.write(sequence: sequence, length: length))
            door.wait(self)
            return false
        }
        expected = .payload(LinePayload(sequence: sequence, length: length, fate: fate))
        return true
    }

    private func fate(of sequence: UInt64) throws(ChannelError) -> LinePayload.Fate {
        guard !isRefusedWriter else {
            return .refused(
                ChannelError(.argument, .write, sequence: sequence, "the writer was refused: say whose lines these are")
            )
        }
        let writer = ownWriter
        if sequence <= writer.last { return .dropped }
        guard door.input.isOpen else { return .refused(closedError(sequence)) }
        guard sequence == writer.last + 1 else {
            throw ChannelError(.sequence, .write, sequence: writer.last + 1, "\(sequence) leaves a gap")
        }
        return .taken
    }

    private func closedError(_ sequence: UInt64) -> ChannelError {
        ChannelError(.inputClosed, .write, sequence: sequence, "the child's stdin is closed")
    }

    /// Checks a payload that has come whole.
    func finishPayload(_ payload: LinePayload) {
        guard !payload.isMiscounted else {
            return fail(
                ChannelError(
                    .grammar, .write, sequence: payload.sequence,
                    "no newline follows a payload that does not end in one"))
        }
        expected = .line(payload)
    }

    /// Takes a whole line, or drops it.
    ///
    /// - Returns: false if there is no room for the line.
    func finish(_ payload: LinePayload) -> Bool {
        switch payload.fate {
        case .refused(let error):
            expected = .header
            refuse(error)
        case .dropped:
            expected = .header
            acknowledgeAgain(payload.sequence)
        case .taken:
            let writer = ownWriter
            guard door.input.isOpen else {
                expected = .header
                refuse(closedError(payload.sequence))
                return true
            }
            let length = payload.withLine { $0.count }
            guard length <= door.maximumLineLength else {
                fail(
                    ChannelError(
                        .tooLong, .write, sequence: payload.sequence,
                        "a line has \(door.maximumLineLength) bytes at most, its newline included"))
                return true
            }
            guard door.hasRoom(for: length, of: self) else {
                door.wait(self)
                return false
            }
            expected = .header
            guard let end = payload.withLine({ door.input.append($0, from: .channel) }) else {
                if door.input.isOpen {
                    part(ChannelError(.busy, .write, sequence: payload.sequence, "there is no memory for the line"))
                } else {
                    refuse(closedError(payload.sequence))
                }
                return true
            }
            writer.took(end: end)
            door.writers.noteTaken(writer)
            door.scheduleTurnEnd()
        }
        return true
    }

    private func refuse(_ error: ChannelError) {
        guard error.code == .inputClosed, let sequence = error.sequence else { return fail(error) }
        guard let writer, writer.isWaiting else { return inputClosed(firstLost: sequence) }
        firstRefused = firstRefused ?? sequence
    }

    /// Tells the client that the child's stdin is closed: once, after the last acknowledgement, with the number of the
    /// first line lost or refused.
    func inputClosed(firstLost sequence: UInt64) {
        guard isServed, !knowsInputClosed else { return }
        knowsInputClosed = true
        sendDueAcknowledgement()
        fail(closedError(sequence))
        endSoon()
    }

    /// Acknowledges once more a line that was taken before; if it is not in the pipe yet, its own acknowledgement comes
    /// later.
    private func acknowledgeAgain(_ sequence: UInt64) {
        guard let writer, writer.acknowledged >= sequence, !isAcknowledgementDue else { return }
        isAcknowledgementDue = true
        door.acknowledgeLater(self)
    }
}
