import UVKeeper

/// A reader of a session's output on a connection of its own, without the library: it may stop reading for a while, be
/// cut at any byte, and continues after the last byte that it got.
final class ChannelReader {
    private enum State {
        /// Not connected until a time, in microseconds.
        case idle(until: UInt64)
        case connected(PipeStream)
        case closed
    }

    /// The wait before it connects again, in microseconds.
    private static let pause: UInt64 = 20_000

    let notes: ReaderNotes
    private let path: String
    private let loop: Loop
    private let clock: RunClock
    private let target: () -> ReaderNotes.Life?
    private var state = State.idle(until: 0)
    private var headers = ChannelHeaders()
    /// True once the keeper has answered the request. A session that ends before tells its end without its output.
    private var isServed = false
    private var isFrozen = false
    /// The number of bytes still taken before the connection is cut; nil: all.
    private var bytesUntilCut: Int?
    private var onCut: (() -> Void)?
    /// Messages that no keeper should send.
    private(set) var nonsense: [String] = []

    /// - Parameter path: the path of the session's channel.
    init(
        to path: String, _ notes: ReaderNotes, clock: RunClock, on loop: Loop, target: @escaping () -> ReaderNotes.Life?,
    ) {
        self.path = path
        self.notes = notes
        self.clock = clock
        self.loop = loop
        self.target = target
    }

    /// Connects, if there is something to read and no connection yet.
    func tend() {
        guard case .idle(let until) = state, clock.microseconds >= until, !notes.isFull, let life = target() else {
            return
        }
        var offsets: [ChildStream: UInt64] = [.out: 0, .err: 0]
        if let place = notes.place, place.life.epoch == life.epoch { offsets = place.offsets }
        headers = ChannelHeaders()
        isServed = false
        do throws(UVError) {
            let stream = try PipeStream(connectingTo: path, on: loop) { [self] stream, error in
                guard error == nil else { return ended() }
                connected(stream, life, offsets)
            }
            state = .connected(stream)
        } catch {
            ended()
        }
    }

    private func connected(_ stream: PipeStream, _ life: ReaderNotes.Life, _ offsets: [ChildStream: UInt64]) {
        let (out, err) = (offsets[.out] ?? 0, offsets[.err] ?? 0)
        let request =
            "read {\"streams\":[\"out\",\"err\"],\"from\":{\"out\":\(out),\"err\":\(err)},"
            + "\"epoch\":\"\(life.epochText)\",\"follow\":true}\n"
        guard notes.begin(life.epoch, .offset, at: offsets) else { return ended() }
        stream.write(Array(request.utf8))
        do throws(UVError) {
            try stream.readStart(
                onBytes: { [self] _, bytes in bytes.withUnsafeBytes { received($0) } },
                onEnd: { [self] _, _ in ended() })
            if isFrozen { stream.readStop() }
        } catch {
            ended()
        }
    }

    private func received(_ bytes: UnsafeRawBufferPointer) {
        let taken = UnsafeRawBufferPointer(rebasing: bytes.prefix(bytesUntilCut ?? bytes.count))
        headers.take(taken) { [self] message in
            switch message {
            case .reading: isServed = true
            case .gap(let stream, let range): notes.noteGap(stream == 0 ? .out : .err, range)
            case .exit where !isServed: break
            case .exit(let out?, let err?): notes.end(.ends, [.out: out, .err: err])
            case .exit: notes.end(.endsUnknown)
            case .malformed(let text): nonsense.append(text)
            // The message is of another life, or of none, so the reader tries again.
            case .error, .hello, .output, .other: break
            }
        } onOutput: { [self] stream, offset, piece in
            notes.note(stream == 0 ? .out : .err, offset, piece)
        }
        if let left = bytesUntilCut {
            bytesUntilCut = left - taken.count
            if left == taken.count { cutNow() }
        }
        if notes.isFull { close() }
    }

    private func ended() {
        guard case .connected(let stream) = state else {
            if case .idle = state { state = .idle(until: clock.microseconds + ChannelReader.pause) }
            return
        }
        stream.close()
        notes.end(.stopped)
        state = .idle(until: clock.microseconds + ChannelReader.pause)
    }

    // MARK: Faults

    /// Stops reading, so that the connection fills.
    func freeze() {
        isFrozen = true
        if case .connected(let stream) = state { stream.readStop() }
    }

    func thaw() {
        isFrozen = false
        guard case .connected(let stream) = state, notes.life != nil else { return }
        do throws(UVError) { try stream.readResume() } catch { ended() }
    }

    /// Cuts the connection after `count` more bytes, wherever in a message that is.
    func cut(after count: Int, onCut: @escaping () -> Void) {
        bytesUntilCut = count
        self.onCut = onCut
    }

    /// Cuts the connection now, if it has not been cut yet.
    func cutNow() {
        guard bytesUntilCut != nil else { return }
        bytesUntilCut = nil
        let onCut = onCut
        self.onCut = nil
        ended()
        onCut?()
    }

    func close() {
        if case .connected(let stream) = state {
            stream.close()
            notes.end(.stopped)
        }
        state = .closed
    }
}
