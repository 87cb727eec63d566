/// The lines that a server with a stable writer's name has sent in one life of a session, with their numbers. The
/// journal is a file, so that the next server continues where a killed one stopped.
///
/// Word 0 is the epoch, word 1 the highest number; from word 8 on there is one word for each number, its writer and sequence.
final class Journal {
    struct Line: Hashable {
        let writer: Int
        let sequence: Int
    }

    static let capacity = Receipts.capacity
    private static let start = 8
    private let file: SharedFile

    init(_ path: String) throws {
        file = try SharedFile(path, byteCount: (Journal.start + Journal.capacity) * 8)
    }

    /// The epoch in the keeper's form, 16 hexadecimal digits; nil before the first line.
    var epoch: String? {
        guard file[0] > 0 else { return nil }
        let digits = String(file[0], radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The highest number given out.
    var count: Int { Int(file[1]) }

    var isFull: Bool { count >= Journal.capacity }

    /// Begins another life, whose numbers begin anew.
    func begin(_ epoch: String?) {
        // The order matters: a server that is killed between the two leaves an old epoch, but never the numbers of
        // another one.
        file[1] = 0
        file[0] = epoch.flatMap { UInt64($0, radix: 16) } ?? 0
    }

    /// Gives out the next number; the line must not be sent before.
    func note(_ line: Line) {
        let number = count + 1
        file[Journal.start + number - 1] = UInt64(line.writer) << 32 | UInt64(line.sequence)
        file[1] = UInt64(number)
    }

    /// Takes back the numbers above `number`.
    func cut(to number: Int) { file[1] = UInt64(min(number, count)) }

    subscript(number: Int) -> Line {
        let word = file[Journal.start + number - 1]
        return Line(writer: Int(word >> 32), sequence: Int(word & 0xFFFF_FFFF))
    }
}
