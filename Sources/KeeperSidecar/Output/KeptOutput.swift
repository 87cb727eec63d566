internal import KeeperProtocol
internal import UVLoop

/// Output that is kept in segments, and sent to its readers.
///
/// A reader is a cursor. The keeper queues nothing for a reader except the rest of one message: a reader at the end is
/// sent each run of bytes from the memory it was read into, and one that is behind is served from the segments when its
/// connection has room.
final class KeptOutput: OutputSink {
    private let buffer: ChunkBuffer
    private let loop: Loop
    let out: KeptStream
    let err: KeptStream
    private(set) var readers: [OutputReader] = []
    private let losses: NoteLimiter
    /// The timer that runs while no descriptor is left to read a segment.
    private let retries: Backoff

    init(
        _ session: SessionID, epoch: String, paths: KeeperPaths, limit: Int, buffer: ChunkBuffer, log: KeeperLog,
        on loop: Loop,
    ) {
        self.buffer = buffer
        self.loop = loop
        out = KeptStream(.out, of: session, epoch: epoch, paths: paths, limit: limit)
        err = KeptStream(.err, of: session, epoch: epoch, paths: paths, limit: limit)
        losses = NoteLimiter(log, subject: "output of pi is lost")
        retries = Backoff(from: .milliseconds(50), to: .milliseconds(50), on: loop)
        for stream in [out, err] { stream.onLoss = { [losses] in losses.note("\($0)") } }
    }

    subscript(stream: ChildStream) -> KeptStream {
        switch stream {
        case .out: out
        case .err: err
        }
    }

    var ranges: SessionStatus.Streams<KeptRange> { .init(out: out.range, err: err.range) }

    var lost: SessionStatus.Streams<UInt64> { .init(out: out.lostByteCount, err: err.lostByteCount) }

    // MARK: The child's side

    func receive(_ bytes: UnsafeRawBufferPointer, of stream: ChildStream) {
        let start = self[stream].end
        self[stream].append(bytes)
        guard !readers.isEmpty else { return }
        let header = ChannelMessage.output(stream, offset: start, length: bytes.count).header
        let message = buffer.message(header, bytes.count)
        // A reader whose connection fails removes itself from the list.
        for reader in readers { reader.take(message, of: stream, start..<self[stream].end) }
    }

    func end(_ stream: ChildStream) {}

    // MARK: The readers' side

    /// Serves a reader from its position on; the caller removes the reader when it ends.
    func add(_ reader: OutputReader) {
        readers.append(reader)
        serve(reader)
    }

    func remove(_ reader: OutputReader) {
        readers.removeAll { $0 === reader }
        guard readers.isEmpty else { return }
        for stream in [out, err] { stream.closeReaders() }
    }

    /// Sends a reader its next bytes as long as its connection has room, at most ``OutputReader/turnByteCount`` in a
    /// turn.
    func serve(_ reader: OutputReader) {
        var left = OutputReader.turnByteCount
        while left > 0, reader.hasRoom {
            guard let (stream, range) = reader.next(upTo: self) else { return }
            switch self[stream].place(at: range.lowerBound) {
            case .gap(let end): reader.skip(range.lowerBound..<min(end, range.upperBound), of: stream)
            case .kept(let start, let end):
                do throws(UVError) {
                    let wanted = Int(min(end, range.upperBound) - range.lowerBound)
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer.payload.prefix(wanted))
                    let count = try self[stream].read(part, from: range.lowerBound, inSegmentAt: start)
                    // The file has been cut by somebody.
                    guard count > 0 else { throw .noEntry }
                    let header = ChannelMessage.output(stream, offset: range.lowerBound, length: count).header
                    reader.send(
                        buffer.message(header, count), of: stream,
                        range.lowerBound..<range.lowerBound + UInt64(count))
                    left -= count
                } catch {
                    guard error.isShortage else {
                        reader.skip(range.lowerBound..<min(end, range.upperBound), of: stream)
                        self[stream].segmentIsGone(at: start)
                        continue
                    }
                    return retries.start(isReferenced: false) { [weak self] in
                        guard let self else { return }
                        for reader in readers { serve(reader) }
                    }
                }
            }
        }
        if left <= 0 { loop.onNextTick { [weak self, weak reader] in reader.map { self?.serve($0) } } }
    }

    /// Removes the oldest segment to make room on the disk.
    ///
    /// - Returns: false if nothing is kept.
    func removeOldest() -> Bool { out.removeOldest() || err.removeOldest() }

    func close() {
        losses.flush()
        retries.close()
        for stream in [out, err] { stream.close() }
    }
}
