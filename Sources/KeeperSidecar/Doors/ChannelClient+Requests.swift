internal import KeeperProtocol
internal import UVLoop

/// What a client asks for, and its lines.
extension ChannelClient {
    /// Serves a request.
    ///
    /// - Returns: false if it has to wait.
    func perform(_ request: ChannelRequest) -> Bool {
        expected = .header
        do throws(ChannelError) {
            switch request {
            case .writer(let name, let epoch, let last): try become(name, epoch, last)
            case .write(let sequence, let length): return try begin(sequence, length)
            case .read(let request): try read(request)
            case .status: send(.status(door.keeper.status))
            case .endInput:
                door.input.end()
                send(.ok(.endInput))
            case .signal(let signal):
                try door.keeper.signalChild(signal)
                send(.ok(.signal))
            case .stop(let ladder):
                send(.ok(.stop))
                door.keeper.stop(ladder)
            case .label(let change):
                expected = .label
                door.label(self, change)
            case .ping: send(.pong)
            }
        } catch {
            fail(error)
        }
        return true
    }

    /// The labels are in the record, or not for this reason.
    func labelled(_ error: ChannelError?) {
        guard case .label = expected else { return }
        expected = .header
        if let error { fail(error) } else { send(.ok(.label)) }
        resume()
    }

    // MARK: Writers

    private func become(_ name: WriterName, _ epoch: String?, _ last: UInt64?) throws(ChannelError) {
        guard writer == nil else { throw ChannelError(.argument, .writer, "the connection has its writer already") }
        isRefusedWriter = true
        let current = door.keeper.epoch
        if let epoch, epoch != current {
            throw ChannelError(.epoch, .writer, "this is epoch \(current) of the session")
        }
        let known = door.writers[name]
        if let known, let last, known.last > last {
            throw ChannelError(
                .sequence, .writer,
                "somebody else writes as \(name): line \(known.last) was taken, \(last) is the client's last")
        }
        if known == nil, last ?? 0 > 0, door.writers.hasForgotten {
            throw ChannelError(.writerForgotten, .writer, "what \(name) had written is not known any more")
        }
        guard let writer = door.writers.make(name) else {
            throw ChannelError(
                .busy, .writer, "the lines of \(ChannelConstants.rememberedWriters) writers wait for the child")
        }
        isRefusedWriter = false
        writer.client?.part(ChannelError(.writerReplaced, .writer, "a newer connection writes as \(name)"))
        writer.client = self
        self.writer = writer
        door.writers.noteUse(writer)
        _ = writer.written(upTo: door.input.written)
        send(.writer(name, last: writer.last, acknowledged: writer.acknowledged))
        // Of lines that are on their way, the client is told what becomes of them.
        if writer.hasUnacknowledged, !writer.isWaiting { inputClosed(firstLost: writer.acknowledged + 1) }
    }

    private var ownWriter: Writer {
        if let writer { return writer }
        let writer = Writer(nil)
        writer.client = self
        self.writer = writer
        return writer
    }

    // MARK: Lines

    /// Takes a line that has come whole with its header, if nothing is in its way: the way of nearly every one.
    func takeAtOnce(
        _ sequence: UInt64, _ length: Int, _ bytes: UnsafeRawBufferPointer, _ position: inout Int,
    ) -> Bool {
        guard !isRefusedWriter, length > 0, length < bytes.count - position else { return false }
        let end = position + length
        let endsInNewline = bytes[end - 1] == NewlineScan.newline
        let lineEnd = endsInNewline ? end : end + 1
        guard endsInNewline || bytes[end] == NewlineScan.newline, lineEnd - position <= door.maximumLineLength else {
            return false
        }
        let writer = ownWriter
        guard sequence == writer.last + 1, door.input.isOpen, door.hasRoom(for: lineEnd - position) else {
            return false
        }
        let line = UnsafeRawBufferPointer(rebasing: bytes[position..<lineEnd])
        guard let taken = door.input.append(line, from: .channel) else { return false }
        position = lineEnd
        writer.took(end: taken)
        door.writers.noteTaken(writer)
        door.scheduleTurnEnd()
        return true
    }

    /// A `write` whose payload comes next.
    ///
    /// - Returns: false if there is no room for the line.
    private func begin(_ sequence: UInt64, _ length: Int) throws(ChannelError) -> Bool {
        guard length <= door.maximumLineLength else {
            throw ChannelError(
                .tooLong, .write, sequence: sequence, "a line has \(door.maximumLineLength) bytes at most")
        }
        let fate = try fate(of: sequence)
        if case .taken = fate, !door.hasRoom(for: length) {
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

    /// The payload has come.
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
    /// - Returns: false if there is no room for it.
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
            guard door.hasRoom(for: length) else {
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

    /// The child's stdin is closed; told once, with the first number that is lost or refused, after the last acknowledgement.
    func inputClosed(firstLost sequence: UInt64) {
        guard isServed, !knowsInputClosed else { return }
        knowsInputClosed = true
        sendDueAcknowledgement()
        fail(closedError(sequence))
        endSoon()
    }

    /// A line that was taken before: its acknowledgement comes when it is in the pipe.
    private func acknowledgeAgain(_ sequence: UInt64) {
        guard let writer, writer.acknowledged >= sequence, !isAcknowledgementDue else { return }
        isAcknowledgementDue = true
        door.acknowledgeLater(self)
    }

    // MARK: Output

    private func read(_ request: ReadRequest) throws(ChannelError) {
        guard let output = door.output else {
            throw ChannelError(.noOutput, .read, "no output is kept of this session")
        }
        guard reader == nil else { throw ChannelError(.busy, .read, "a read goes on already") }
        let current = door.keeper.epoch
        if let epoch = request.epoch, epoch != current {
            throw ChannelError(.epoch, .read, "this is epoch \(current) of the session")
        }
        var positions: [ChildStream: ChannelMessage.Position] = [:]
        for stream in request.streams {
            let kept = output[stream].range
            let from: UInt64 =
                switch request.from {
                case .start: kept.start
                case .end: kept.end
                case .last(let count): kept.end - min(count, kept.end - kept.start)
                case .offsets(let offsets): offsets[stream] ?? kept.end
                }
            guard from <= kept.end else {
                throw ChannelError(.argument, .read, "\(stream) has had \(kept.end) bytes, and \(from) is beyond them")
            }
            positions[stream] = ChannelMessage.Position(from: from, kept: kept)
        }
        send(.reading(positions))
        let reader = OutputReader(
            self, from: positions.mapValues(\.from), upTo: request.follows ? nil : positions.mapValues(\.kept.end))
        self.reader = reader
        output.add(reader)
    }
}
