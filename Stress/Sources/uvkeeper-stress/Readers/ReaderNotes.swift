import UVKeeper

/// What one reader of a session's output notes: it checks every byte, keeps none, and tells its logs.
final class ReaderNotes {
    /// One life of the session.
    struct Life {
        /// Never 0.
        let epoch: UInt64
        let receipts: Receipts

        /// As the library has it.
        var epochText: String {
            let digits = String(epoch, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
    }

    /// By stream.
    let logs: [ChildStream: ReadLog]
    private let clock: RunClock
    /// Finds a life by its epoch.
    private let find: (UInt64) -> Life?
    /// The one that is read; nil between two reads.
    private(set) var life: Life?
    private(set) var offsets: [ChildStream: UInt64] = [:]
    /// Why the library gave up, for people: the last times.
    private(set) var failures: [String] = []

    /// - Parameter path: of the log of a stream.
    init(_ path: (ChildStream) -> String, clock: RunClock, find: @escaping (UInt64) -> Life?) throws {
        var logs: [ChildStream: ReadLog] = [:]
        for stream in ChildStream.allCases { logs[stream] = try ReadLog(path(stream)) }
        self.logs = logs
        self.clock = clock
        self.find = find
    }

    var isFull: Bool { logs.values.contains(where: \.isFull) }

    /// Where a read goes on that has not come to its end; nil if there is none, or its life is not known.
    var place: (life: Life, offsets: [ChildStream: UInt64])? {
        guard let out = logs[.out]?.place, let err = logs[.err]?.place, out.epoch == err.epoch,
            let life = find(out.epoch)
        else { return nil }
        return (life, [.out: out.offset, .err: err.offset])
    }

    /// A read begins, at these offsets.
    ///
    /// - Parameter asked: how many bytes of each stream the child had written when the reader asked.
    /// - Returns: false if nobody knows this life, and nothing of it can be checked.
    func begin(
        _ epoch: UInt64, _ start: ReadLog.Start, at offsets: [ChildStream: UInt64], asked: [ChildStream: UInt64] = [:],
    ) -> Bool {
        guard let life = find(epoch) else { return false }
        self.life = life
        self.offsets = offsets
        for (stream, log) in logs {
            guard let offset = offsets[stream] else { continue }
            let most = life.receipts.written(stream).upperBound
            log.note(
                .begins, offset..<max(offset, most), epoch: epoch, offered: asked[stream] ?? 0,
                time: clock.microseconds,
                start: start)
        }
        return true
    }

    func note(_ stream: ChildStream, _ offset: UInt64, _ bytes: UnsafeRawBufferPointer) {
        guard let life, let base = bytes.baseAddress, !bytes.isEmpty else { return }
        let end = offset + UInt64(bytes.count)
        note(.bytes, stream, offset..<end)
        if let place = life.receipts.format(stream).firstWrong(base, count: bytes.count, at: offset) {
            note(.wrong, stream, offset + UInt64(place)..<end)
        }
        offsets[stream] = end
    }

    func noteGap(_ stream: ChildStream, _ range: Range<UInt64>) {
        note(.gap, stream, range)
        offsets[stream] = range.upperBound
    }

    /// The read is over; with where each stream ends, if something says so.
    func end(_ event: ReadLog.Event, _ ends: [ChildStream: UInt64] = [:]) {
        for stream in logs.keys {
            let end = ends[stream] ?? offsets[stream] ?? 0
            note(event, stream, min(offsets[stream] ?? end, end)..<end)
        }
        life = nil
        offsets = [:]
    }

    /// The read is over, since the library gave up, perhaps before it had begun.
    func fail(_ error: some Error) {
        failures = failures.suffix(4) + ["\(error)"]
        guard life == nil else { return end(.failed) }
        for log in logs.values { log.note(.failed, 0..<0, epoch: 0, offered: 0, time: clock.microseconds) }
    }

    private func note(_ event: ReadLog.Event, _ stream: ChildStream, _ range: Range<UInt64>) {
        guard let life else { return }
        logs[stream]?.note(
            event, range, epoch: life.epoch, offered: life.receipts.written(stream).upperBound, time: clock.microseconds
        )
    }
}
