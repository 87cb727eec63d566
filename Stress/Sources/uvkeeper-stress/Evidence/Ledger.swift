import UVKeeper

/// The outcome of each line of one writer, in a file that survives the writer's process.
///
/// Word 0 counts the lines, word 1 the completions that came twice. Two words per line follow: outcome, size and
/// latency; and the time of the completion, or, before it, of the call.
final class Ledger {
    enum Outcome: UInt64 {
        case none, pending, written, refused, unknown
        /// Refused because more lines wait than the load's own limit allows: the load's fault only.
        case overflowed
        /// The keeper has the line in memory, by the raw socket; its arrival at the child is not reported.
        case handedOver
    }

    struct Entry {
        let outcome: Outcome
        let byteCount: Int
        /// The latency from the intended start, in microseconds.
        let latency: UInt64
        /// The time of the completion, or of the call while the line is pending, in microseconds since the start of the
        /// run.
        let time: UInt64

        /// The time at which the line began to wait.
        var begin: UInt64 { time - min(time, outcome == .pending ? 0 : latency) }
    }

    static let capacity = Receipts.capacity
    private static let start = 8
    private let file: SharedFile

    private let capacity: Int

    init(_ path: String, capacity: Int = Ledger.capacity) throws {
        self.capacity = capacity
        file = try SharedFile(path, byteCount: (Ledger.start + capacity * 2) * 8)
    }

    /// The number of lines handed over so far, which is the next sequence number.
    var count: Int { Int(file[0]) }
    var doubled: Int { Int(file[1]) }
    var isFull: Bool { count >= capacity }

    /// Notes a line before it is handed over.
    func begin(byteCount: Int, time: UInt64) -> Int {
        let sequence = count
        precondition(sequence < capacity, "Ledger.begin: it is full")
        file[Ledger.start + sequence * 2 + 1] = time
        file[Ledger.start + sequence * 2] = Outcome.pending.rawValue | UInt64(byteCount) << 4
        file[0] = UInt64(sequence + 1)
        return sequence
    }

    func complete(_ sequence: Int, _ outcome: Outcome, latency: UInt64, time: UInt64) {
        let word = Ledger.start + sequence * 2
        let old = file[word]
        guard old & 15 == Outcome.pending.rawValue else {
            file[1] += 1
            return
        }
        file[word + 1] = time
        file[word] = outcome.rawValue | old & 0xFFFF_FFF0 | min(latency, 0xFFFF_FFFF) << 32
    }

    subscript(sequence: Int) -> Entry {
        let word = file[Ledger.start + sequence * 2]
        return Entry(
            outcome: Outcome(rawValue: word & 15) ?? .none, byteCount: Int(word >> 4 & 0xFFF_FFFF),
            latency: word >> 32, time: file[Ledger.start + sequence * 2 + 1])
    }
}

/// A clock that counts microseconds from the start of a run, the same in every process of it.
struct RunClock: Sendable {
    let start: Duration

    var microseconds: UInt64 { RunClock.microseconds(SystemClock.monotonicTime - start) }

    static func microseconds(_ duration: Duration) -> UInt64 {
        let parts = duration.components
        return UInt64(max(0, parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000))
    }
}
