import UVKeeper

/// What one writer was told about each of its lines, in a file, so that it survives the writer's process.
///
/// Word 0 counts the lines, word 1 the completions that came twice; then two words per line: outcome, size and latency;
/// the time of the completion, or, before it, of the call.
final class Ledger {
    enum Outcome: UInt64 {
        case none, pending, written, refused, unknown
        /// Refused because more lines wait than the load's own limit allows: nobody's fault but the load's.
        case overflowed
        /// The keeper's memory has it, by the raw socket; nothing says whether its child gets it.
        case handedOver
    }

    struct Entry {
        let outcome: Outcome
        let byteCount: Int
        /// In microseconds, from the intended start.
        let latency: UInt64
        /// In microseconds since the start of the run: of the completion; of the call while it is pending.
        let time: UInt64

        /// When the line began to wait.
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

    /// Lines handed over so far; also the next sequence number.
    var count: Int { Int(file[0]) }
    var doubled: Int { Int(file[1]) }
    var isFull: Bool { count >= capacity }

    /// Notes a line about to be handed over.
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
