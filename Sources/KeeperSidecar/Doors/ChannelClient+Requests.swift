internal import KeeperProtocol
internal import UVLoop

/// The requests of a client, except for its lines.
extension ChannelClient {
    /// Serves a request.
    ///
    /// - Returns: false if the request has to wait.
    func perform(_ request: ChannelRequest) -> Bool {
        expected = .header
        do throws(ChannelError) {
            switch request {
            case .writer(let name, let epoch, let last): try become(name, epoch, last)
            case .write(let sequence, let length): return try beginLine(sequence, length)
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

    /// Answers a label request: the labels are in the record, or `error` says why not.
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
        // Lines on their way have an answer to come; if unacknowledged lines are not, they are lost, and the client
        // learns of it.
        if writer.hasUnacknowledged, !writer.isWaiting { inputClosed(firstLost: writer.acknowledged + 1) }
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
        guard isServed else { return }
        let reader = OutputReader(
            self, from: positions.mapValues(\.from), upTo: request.follows ? nil : positions.mapValues(\.kept.end))
        self.reader = reader
        output.add(reader)
    }
}
