import UVKeeper

/// A start of a session's keeper that failed: when, and what was said of it.
struct FailedStart: Equatable {
    /// In microseconds since the start of the run: of the call.
    let begin: UInt64
    /// The time of the failure.
    let end: UInt64
    /// The child of the session's life before, if that still ran when it began.
    let survivor: Int32?
    /// The child that this start had made; it is the session's life of this number. Nil if there was none.
    let life: Int?
    let text: String

    /// True if it was refused because of a child that a killed keeper had left, and names it.
    var namesSurvivor: Bool {
        guard let survivor else { return false }
        return text.split { !$0.isNumber }.contains { Int32($0) == survivor }
    }

    // MARK: In a file, for the starts of a server that may be killed

    /// On one line.
    private var line: String {
        let words = ["\(begin)", "\(end)", "\(survivor ?? 0)", "\(life ?? -1)", text.replacing("\n", with: " ")]
        return words.joined(separator: " ") + "\n"
    }

    private init?(line: Substring) {
        let words = line.split(separator: " ", maxSplits: 4)
        guard words.count == 5, let begin = UInt64(words[0]), let end = UInt64(words[1]),
            let survivor = Int32(words[2]), let life = Int(words[3])
        else {
            return nil
        }
        self.init(
            begin: begin, end: end, survivor: survivor > 0 ? survivor : nil, life: life < 0 ? nil : life,
            text: String(words[4]))
    }

    init(begin: UInt64, end: UInt64, survivor: Int32?, life: Int?, text: String) {
        self.begin = begin
        self.end = end
        self.survivor = survivor
        self.life = life
        self.text = text
    }

    func append(to path: String) throws(UVError) {
        let file = try OpenFile(path, .append)
        defer { file.close() }
        try file.write(Array(line.utf8))
    }

    /// All that were appended; none if there is no file.
    static func all(in path: String) throws(UVError) -> [FailedStart] {
        do throws(UVError) {
            let text = String(decoding: try Files.read(path, limit: 1 << 24), as: UTF8.self)
            return text.split(separator: "\n").compactMap { FailedStart(line: $0) }
        } catch .noEntry {
            return []
        }
    }
}
