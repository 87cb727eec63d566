import UVKeeper

/// The reports that one reader got on one stream of a session, in order, in a file that survives the reader's process.
///
/// Word 0 counts the entries; six words for each follow. Bytes that follow each other are one entry.
final class ReadLog {
    enum Event: UInt64 {
        case none
        /// A read begins; the lower bound is its place, the upper one the most bytes that the child had written.
        case begins
        /// Bytes came, right or wrong.
        case bytes
        /// Bytes differ from those of their offsets, from the first wrong one on.
        case wrong
        /// Bytes are gone.
        case gap
        /// The session has ended; the upper bound is the end of the stream by its record.
        case ends
        /// The session has ended, and no record tells the end of the stream.
        case endsUnknown
        /// A read that does not follow has got all bytes; the upper bound is their end.
        case finished
        /// The session has begun anew before its rest was read.
        case anew
        /// The reader was closed, or its connection was lost for good.
        case stopped
        /// The library gave up.
        case failed
    }

    /// The place where a read was to begin.
    enum Start: UInt64 {
        case start, end, last, offset
    }

    struct Entry {
        let event: Event
        /// The place where the read begins; for the event `begins`.
        let start: Start
        /// The epoch of the session's life, as a number.
        let epoch: UInt64
        let range: Range<UInt64>
        /// The number of bytes that the child had written when the reader asked, for the event `begins`; otherwise the
        /// most it had written when the event came.
        let offered: UInt64
        /// The time, in microseconds since the start of the run.
        let time: UInt64
    }

    /// The place at which a reader continues.
    struct Place: Equatable {
        let epoch: UInt64
        let offset: UInt64
    }

    static let capacity = 1 << 18
    /// The most bytes that a read begins before the end, for the start `last`.
    static let longestLast: UInt64 = 100_000
    private static let start = 8
    private static let entryWords = 6
    private let file: SharedFile

    init(_ path: String) throws {
        file = try SharedFile(path, byteCount: (ReadLog.start + ReadLog.capacity * ReadLog.entryWords) * 8)
    }

    var count: Int { Int(file[0]) }
    /// True if no more can be noted: the reader must end.
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

    /// The place that the last read has reached; nil if it has come to an end.
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
    /// Returns the number of bytes that the child has written on a stream, and the most that it may have.
    func written(_ stream: ChildStream) -> ClosedRange<UInt64> {
        let (written, offered) =
            switch stream {
            case .out: (self[.writtenOut], self[.offeredOut])
            case .err: (self[.writtenErr], self[.offeredErr])
            }
        return written...max(written, offered)
    }

    /// Returns the format of the child's output on a stream.
    func format(_ stream: ChildStream) -> OutputFormat {
        OutputFormat(key: self[.outputKey], stream: stream == .out ? 0 : 1)
    }
}
