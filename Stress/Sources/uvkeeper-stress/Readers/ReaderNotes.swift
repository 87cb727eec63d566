import UVKeeper

/// The notes of one reader of a session's output: each byte is checked, none is kept, and the logs get the results.
final class ReaderNotes {
    /// A life of the session.
    struct Life {
        /// The epoch, never 0.
        let epoch: UInt64
        let receipts: Receipts

        /// The epoch in the library's form.
        var epochText: String {
            let digits = String(epoch, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
    }

    /// The logs by stream.
    let logs: [ChildStream: ReadLog]
    private let clock: RunClock
    /// Finds a life by its epoch.
    private let find: (UInt64) -> Life?
    /// The life that is read; nil between two reads.
    private(set) var life: Life?
    private(set) var offsets: [ChildStream: UInt64] = [:]
    /// The last reasons why the library gave up, for people.
    private(set) var failures: [String] = []

    /// - Parameter path: returns the path of a stream's log.
    init(_ path: (ChildStream) -> String, clock: RunClock, find: @escaping (UInt64) -> Life?) throws {
        var logs: [ChildStream: ReadLog] = [:]
        for stream in ChildStream.allCases { logs[stream] = try ReadLog(path(stream)) }
        self.logs = logs
        self.clock = clock
        self.find = find
    }

    var isFull: Bool { logs.values.contains(where: \.isFull) }

    /// The place at which a read continues that has not come to its end; nil if there is none, or its life is unknown.
    var place: (life: Life, offsets: [ChildStream: UInt64])? {
        guard let out = logs[.out]?.place, let err = logs[.err]?.place, out.epoch == err.epoch,
            let life = find(out.epoch)
        else { return nil }
        return (life, [.out: out.offset, .err: err.offset])
    }

    /// Notes that a read begins, at these offsets.
    ///
    /// - Parameter asked: the bytes of each stream that the child had written when the reader asked.
    /// - Returns: false if this life is unknown, so that nothing of it can be checked.
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

    /// Notes that the read is over, with the end of each stream if it is known.
    func end(_ event: ReadLog.Event, _ ends: [ChildStream: UInt64] = [:]) {
        for stream in logs.keys {
            let end = ends[stream] ?? offsets[stream] ?? 0
            note(event, stream, min(offsets[stream] ?? end, end)..<end)
        }
        life = nil
        offsets = [:]
    }

    /// Notes that the read is over, since the library gave up, perhaps before the read had begun.
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
