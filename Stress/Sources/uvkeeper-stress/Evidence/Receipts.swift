import UVKeeper

/// The lines that one child has received, in a file that the child writes and the harness reads, even after the child
/// was killed.
///
/// Layout, in 64-bit words: 512 of counters; 1,024 fragments of 4; then for each writer 8, the first of them one more
/// than the highest number received, and a bit per sequence number. The harness writes some of the counters, as noted
/// there.
final class Receipts {
    /// Sequence numbers a writer may use.
    static let capacity = 1 << 26
    static let fragmentLimit = 1024
    /// The number of bytes that the child reads at once.
    static let readByteCount = 65536

    enum Counter: Int {
        case lines, duplicates, reordered, torn
        /// Fragments of faulty clients.
        case fragments
        /// Ends of the input without a newline.
        case tails
        /// Lines of unknown writers, or with unknown numbers.
        case strange
        case pid
        /// The pause before each read, in microseconds; written by the harness.
        case pause
        case fragmentRecords
        /// The child's start, see ``Receipts/startTime(of:)``; written before its pid.
        case startTime
        /// The key of the child's output, see ``OutputFormat``; written before its pid. 0: no output.
        case outputKey
        /// The epoch of this life of the session, as a number, 0 if unknown; written by the harness.
        case epoch
        /// The streams that the child floods, as bits: 1 for stdout, 2 for stderr; written by the harness.
        case flood
        /// The number of bytes written to a stream, and, during a write, the most that there may be.
        case writtenOut, offeredOut, writtenErr, offeredErr
        /// A ``Stubbornness``; written by the harness, before the child starts.
        case stubbornness
        /// The pid of the process that the child was told to start.
        case grandchild
    }

    /// Returns the start time in milliseconds since the boot; 0 if the process is gone, or the system does not tell.
    static func startTime(of pid: Int32) -> UInt64 {
        ProcessDetails(of: pid).map { RunClock.microseconds($0.startTime) / 1000 } ?? 0
    }

    /// The kind of a fragment that is a whole but late line.
    static let reorderedKind = UInt8(ascii: "R")
    /// The kind of a fragment that is the start of a line at the end of the input.
    static let tailKind = UInt8(ascii: "T")

    /// A line that was incomplete, or late.
    struct Fragment {
        let kind: UInt8
        let writer: Int
        let sequence: Int
        /// The number of bytes; for a late line, one more than the number of the line that had overtaken it.
        let byteCount: Int
    }

    private static let fragmentStart = 512
    private static let writerStart = fragmentStart + fragmentLimit * 4
    private static let writerWords = 8 + capacity / 64

    let writerCount: Int
    private let file: SharedFile

    init(_ path: String, writers: Int) throws {
        writerCount = writers
        file = try SharedFile(path, byteCount: (Receipts.writerStart + writers * Receipts.writerWords) * 8)
    }

    @inline(__always)
    subscript(counter: Counter) -> UInt64 {
        get { file[counter.rawValue] }
        set { file[counter.rawValue] = newValue }
    }

    /// One more than the highest number received.
    @inline(__always)
    func end(of writer: Int) -> Int { Int(file[start(of: writer)]) }

    /// Returns the number of lines of a writer that were received.
    func count(of writer: Int) -> Int {
        let start = start(of: writer) + 8
        return (0..<(end(of: writer) + 63) / 64).reduce(0) { $0 + file[start + $1].nonzeroBitCount }
    }

    @inline(__always)
    func hasReceived(_ writer: Int, _ sequence: Int) -> Bool {
        file[start(of: writer) &+ 8 &+ sequence >> 6] & (1 << UInt64(sequence & 63)) != 0
    }

    /// Notes a whole line.
    @inline(__always)
    func note(_ writer: Int, _ sequence: Int, isOrdered: Bool) {
        guard writer < writerCount, sequence < Receipts.capacity else {
            self[.strange] &+= 1
            return
        }
        let start = start(of: writer)
        let word = start &+ 8 &+ sequence >> 6
        let bit: UInt64 = 1 << UInt64(sequence & 63)
        let bits = file[word]
        if bits & bit != 0 {
            self[.duplicates] &+= 1
            return
        }
        file[word] = bits | bit
        let end = Int(file[start])
        if sequence < end {
            if isOrdered {
                self[.reordered] &+= 1
                note(Fragment(kind: Receipts.reorderedKind, writer: writer, sequence: sequence, byteCount: end))
            }
        } else {
            file[start] = UInt64(sequence &+ 1)
        }
    }

    func note(_ fragment: Fragment) {
        let index = Int(self[.fragmentRecords])
        guard index < Receipts.fragmentLimit else { return }
        let word = Receipts.fragmentStart + index * 4
        file[word] = UInt64(fragment.kind)
        file[word + 1] = UInt64(truncatingIfNeeded: fragment.writer)
        file[word + 2] = UInt64(truncatingIfNeeded: fragment.sequence)
        file[word + 3] = UInt64(fragment.byteCount)
        self[.fragmentRecords] = UInt64(index + 1)
    }

    var fragments: [Fragment] {
        (0..<Int(self[.fragmentRecords])).map { index in
            let word = Receipts.fragmentStart + index * 4
            return Fragment(
                kind: UInt8(truncatingIfNeeded: file[word]), writer: Int(truncatingIfNeeded: file[word + 1]),
                sequence: Int(truncatingIfNeeded: file[word + 2]), byteCount: Int(file[word + 3]))
        }
    }

    @inline(__always)
    private func start(of writer: Int) -> Int { Receipts.writerStart &+ writer &* Receipts.writerWords }
}
