import UVKeeper

/// What one child has received, in a file that the child writes and the harness reads, also after the child was killed.
///
/// Layout, in 64-bit words: 512 of counters; 1,024 fragments of 4; then for each writer 8, the first of them one more than
/// the highest number received, and a bit per sequence number. The harness writes one word: how long the child is to
/// pause before each read.
final class Receipts {
    /// Sequence numbers a writer may use.
    static let capacity = 1 << 26
    static let fragmentLimit = 1024
    /// How much the child reads at once.
    static let readByteCount = 65536

    enum Counter: Int {
        case lines, duplicates, reordered, torn
        /// Of faulty clients.
        case fragments
        /// At the end of the input without a newline.
        case tails
        /// Of writers or with numbers there are none of.
        case strange
        case pid
        /// Written by the harness, in microseconds.
        case pause
        case fragmentRecords
        /// Of the child, see ``Receipts/startTime(of:)``. There before its pid.
        case startTime
        /// Written by the harness, before the child starts: a ``Stubbornness``.
        case stubbornness
        /// The pid of a process that the child has started, for one that was told to.
        case grandchild
    }

    /// In milliseconds since the system booted; 0 if the process is gone, or the system does not tell.
    static func startTime(of pid: Int32) -> UInt64 {
        ProcessDetails(of: pid).map { RunClock.microseconds($0.startTime) / 1000 } ?? 0
    }

    /// In the place of a line's kind, for one that was whole and late.
    static let reorderedKind = UInt8(ascii: "R")
    /// In its place, for the start of a line at the end of the input.
    static let tailKind = UInt8(ascii: "T")

    /// A line that was not whole, or late.
    struct Fragment {
        let kind: UInt8
        let writer: Int
        let sequence: Int
        /// Of a late line: one more than the number of the line that had overtaken it.
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

    /// How many lines of a writer were received.
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
