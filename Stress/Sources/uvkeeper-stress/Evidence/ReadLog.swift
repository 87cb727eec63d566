import UVKeeper

/// What one reader was told about one stream of a session, in order, in a file, so that it survives the reader's process.
///
/// Word 0 counts the entries; then six words for each. Bytes that follow each other are one entry.
final class ReadLog {
    enum Event: UInt64 {
        case none
        /// A read begins; the lower bound is where, the upper one how many bytes the child had written at most.
        case begins
        /// Bytes, right or wrong.
        case bytes
        /// Bytes that are not those of their offsets, from the first wrong one on.
        case wrong
        /// Bytes that are gone.
        case gap
        /// The session has ended; the upper bound is where its record says that the stream ends.
        case ends
        /// The session has ended, and no record says where the stream ends.
        case endsUnknown
        /// A read that does not follow has had everything; the upper bound is where that ends.
        case finished
        /// The session has begun anew before its rest was read.
        case anew
        /// The reader was closed, or its connection was lost for good.
        case stopped
        /// The library gave up.
        case failed
    }

    /// Where a read was to begin.
    enum Start: UInt64 {
        case start, end, last, offset
    }

    struct Entry {
        let event: Event
        /// Of a read that begins.
        let start: Start
        /// The epoch of the session's life, as a number.
        let epoch: UInt64
        let range: Range<UInt64>
        /// For a read that begins, how many bytes the child had written when the reader asked; else how many it had written at
        /// most when this was told.
        let offered: UInt64
        /// In microseconds since the start of the run.
        let time: UInt64
    }

    /// Where a reader goes on.
    struct Place: Equatable {
        let epoch: UInt64
        let offset: UInt64
    }

    static let capacity = 1 << 18
    /// The most that a read asks for that is to begin so many bytes before the end.
    static let longestLast: UInt64 = 100_000
    private static let start = 8
    private static let entryWords = 6
    private let file: SharedFile

    init(_ path: String) throws {
        file = try SharedFile(path, byteCount: (ReadLog.start + ReadLog.capacity * ReadLog.entryWords) * 8)
    }

    var count: Int { Int(file[0]) }
    /// Nothing more can be noted: the reader must end.
    var isFull: Bool { count >= ReadLog.capacity - 2 }

    subscript(number: Int) -> Entry {
        let word = ReadLog.start + number * ReadLog.entryWords
        let (from, to) = (file[word + 2], file[word + 3])
        return Entry(
            event: Event(rawValue: file[word] & 255) ?? .none, start: Start(rawValue: file[word] >> 8) ?? .start,
            epoch: file[word + 1], range: from..<max(from, to), offered: file[word + 4], time: file[word + 5])
    }

    func note(
        _ event: Event, _ range: Range<UInt64>, epoch: UInt64, offered: UInt64, time: UInt64, start: Start = .start,
    ) {
        let count = count
        if event == .bytes, count > 0 {
            let last = ReadLog.start + (count - 1) * ReadLog.entryWords
            if file[last] == Event.bytes.rawValue, file[last + 1] == epoch, file[last + 3] == range.lowerBound {
                file[last + 4] = offered
                file[last + 5] = time
                file[last + 3] = range.upperBound
                return
            }
        }
        guard count < ReadLog.capacity else { return }
        let word = ReadLog.start + count * ReadLog.entryWords
        file[word] = event.rawValue | start.rawValue << 8
        file[word + 1] = epoch
        file[word + 2] = range.lowerBound
        file[word + 3] = range.upperBound
        file[word + 4] = offered
        file[word + 5] = time
        file[0] = UInt64(count + 1)
    }

    /// Where the last read got to, if it has not come to an end.
    var place: Place? {
        for number in (0..<count).reversed() {
            let entry = self[number]
            switch entry.event {
            case .begins: return Place(epoch: entry.epoch, offset: entry.range.lowerBound)
            case .bytes, .gap: return Place(epoch: entry.epoch, offset: entry.range.upperBound)
            case .wrong, .stopped, .failed: continue
            case .ends, .endsUnknown, .finished, .anew, .none: return nil
            }
        }
        return nil
    }
}

extension Receipts {
    /// How many bytes of a stream the child has written; up to how many there may be at most.
    func written(_ stream: ChildStream) -> ClosedRange<UInt64> {
        let (written, offered) =
            switch stream {
            case .out: (self[.writtenOut], self[.offeredOut])
            case .err: (self[.writtenErr], self[.offeredErr])
            }
        return written...max(written, offered)
    }

    /// What the child's output on a stream is.
    func format(_ stream: ChildStream) -> OutputFormat {
        OutputFormat(key: self[.outputKey], stream: stream == .out ? 0 : 1)
    }
}
