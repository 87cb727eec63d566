internal import KeeperProtocol
internal import UVLoop

/// A read of the output that an ended session has left, in libuv's thread pool, a piece at a time.
final class SegmentRead {
    enum Event {
        case bytes(ChildStream, UInt64, [UInt8])
        case gap(ChildStream, Range<UInt64>)
        case end
    }

    private static let pieceByteCount = 262_144

    private let session: SessionID
    private let epoch: String
    private let paths: KeeperPaths
    private let loop: Loop
    private var offsets: [ChildStream: UInt64] = [:]
    private var output = SessionExit.Output(
        out: KeptRange(start: 0, end: 0), err: KeptRange(start: 0, end: 0), held: false)
    private var onEvent: ((Event) -> Void)?
    private var segments: [ChildStream: [UInt64]] = [:]
    private var isPaused = false
    /// The next step, if a pause holds it up. If nil, something else is due to take the next step: the pool's work, a timer, a
    /// tick, or whoever has called back.
    private var held: (() -> Void)?
    /// The timer that runs while no descriptor is left to read: it is then not known which bytes are gone.
    private let retries: Backoff

    init(
        _ session: SessionID, epoch: String, _ paths: KeeperPaths, on loop: Loop, onEvent: @escaping (Event) -> Void,
    ) {
        self.session = session
        self.epoch = epoch
        self.paths = paths
        self.loop = loop
        self.onEvent = onEvent
        retries = Backoff(from: .milliseconds(50), to: .milliseconds(50), on: loop)
    }

    /// The output that the files of a session hold, by their names and sizes.
    private static func output(
        of session: SessionID, epoch: String, in paths: KeeperPaths, _ segments: [ChildStream: [UInt64]],
    ) -> SessionExit.Output {
        func range(_ stream: ChildStream) -> KeptRange {
            guard let first = segments[stream]?.first, let last = segments[stream]?.last else {
                return KeptRange(start: 0, end: 0)
            }
            let name = SegmentName(session, epoch: epoch, stream, offset: last)
            do throws(UVError) {
                let size = try Files.status(of: paths.segment(name), followingLinks: false).size
                // No keeper writes more; a file that it did not write may be of any size.
                return KeptRange(start: first, end: min(last + size, max(last, UInt64(JSONValue.largestNumber))))
            } catch {
                return KeptRange(start: first, end: last)
            }
        }
        return SessionExit.Output(out: range(.out), err: range(.err), held: false)
    }

    /// Finds the segments of a session; none if the directory cannot be read. Throws only for a shortage.
    private static func segments(
        of session: SessionID, epoch: String, in paths: KeeperPaths,
    ) throws(UVError) -> [ChildStream: [UInt64]] {
        do throws(UVError) { return try SegmentName.all(of: session, epoch: epoch, in: paths) } catch {
            if error.isShortage { throw error }
            return [:]
        }
    }

    func pause() { isPaused = true }

    func resume() {
        isPaused = false
        guard let step = held.take() else { return }
        loop.onNextTick { self.take(step) }
    }

    func cancel() {
        onEvent = nil
        held = nil
        retries.close()
    }

    /// Finds the segments, then reads them.
    ///
    /// - Parameters:
    ///   - kept: the output that is kept, by the record; nil if the record does not say: the files then tell.
    ///   - begin: given the kept output, returns the offset at which each stream is read.
    func start(_ kept: SessionExit.Output?, _ begin: @escaping (SessionExit.Output) -> [ChildStream: UInt64]) {
        work { [paths, session, epoch] in
            do throws(UVError) {
                let segments = try SegmentRead.segments(of: session, epoch: epoch, in: paths)
                let output = kept ?? SegmentRead.output(of: session, epoch: epoch, in: paths, segments)
                return Result<_, UVError>.success((segments, output))
            } catch {
                return .failure(error)
            }
        } completion: { found in
            guard case .success(let (segments, output)) = found else { return self.retry { self.start(kept, begin) } }
            self.segments = segments
            self.output = output
            self.offsets = begin(output)
            self.take { self.next() }
        }
    }

    /// Tries again a little later.
    private func retry(_ step: @escaping () -> Void) {
        retries.start { self.take(step) }
    }

    /// Takes a step, now or when the read is resumed.
    private func take(_ step: @escaping () -> Void) {
        guard onEvent != nil else { return }
        if isPaused { held = step } else { step() }
    }

    private func next() {
        for stream in ChildStream.allCases {
            guard let offset = offsets[stream], offset < output[stream].end else { continue }
            return read(stream, offset)
        }
        retries.close()
        onEvent.take()?(.end)
    }

    private func read(_ stream: ChildStream, _ offset: UInt64) {
        let starts = segments[stream] ?? []
        let end = output[stream].end
        guard let start = starts.last(where: { $0 <= offset }) else {
            return skip(stream, offset..<min(starts.first ?? end, end))
        }
        let next = starts.first { $0 > offset } ?? end
        let path = paths.segment(SegmentName(session, epoch: epoch, stream, offset: start))
        let limit = Int(min(UInt64(SegmentRead.pieceByteCount), min(next, end) - offset))
        work {
            SegmentRead.read(path, from: offset - start, limit)
        } completion: { piece in
            guard case .success(let bytes) = piece else { return self.retry { self.next() } }
            self.take {
                // The file is gone, or ends before the next one begins.
                guard !bytes.isEmpty else { return self.skip(stream, offset..<min(next, end)) }
                self.offsets[stream] = offset + UInt64(bytes.count)
                self.onEvent?(.bytes(stream, offset, bytes))
                self.take { self.next() }
            }
        }
    }

    /// Reads a piece; empty if the file is gone or cannot be read. Fails only for a shortage.
    private static func read(_ path: String, from offset: UInt64, _ limit: Int) -> Result<[UInt8], UVError> {
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            guard OwnerTrust.trusts(file.statusAtOpening.owner) else { return .success([]) }
            return .success(try file.read(from: Int(offset), limit: limit))
        } catch {
            return error.isShortage ? .failure(error) : .success([])
        }
    }

    private func skip(_ stream: ChildStream, _ range: Range<UInt64>) {
        offsets[stream] = range.upperBound
        onEvent?(.gap(stream, range))
        loop.onNextTick { self.take { self.next() } }
    }

    private func work<Value: Sendable>(
        _ body: @escaping @Sendable () -> Value, completion: @escaping (Value) -> Void,
    ) {
        let finish = { (value: Value) in
            if self.onEvent != nil { completion(value) }
        }
        do throws(UVError) { try loop.queueWork(body, completion: finish) } catch {
            // The pool has no threads: the work is done on the loop, a piece at a time.
            loop.onNextTick { finish(body()) }
        }
    }
}
