import UVKeeper

/// A failed start of a session's keeper, with its times and its error.
struct FailedStart: Equatable {
    /// The time of the call, in microseconds since the start of the run.
    let begin: UInt64
    /// The time of the failure.
    let end: UInt64
    /// The child of the session's previous life, if it still ran at the call.
    let survivor: Int32?
    /// The number of the life whose child this start had made; nil if there was no child.
    let life: Int?
    let text: String

    /// True if the start was refused because of a child that a killed keeper had left, and the error names that child.
    var namesSurvivor: Bool {
        guard let survivor else { return false }
        return text.split { !$0.isNumber }.contains { Int32($0) == survivor }
    }

    // MARK: A file, for the starts of a server that may be killed

    /// The start as one line of text.
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

    /// Returns all appended starts; none if there is no file.
    static func all(in path: String) throws(UVError) -> [FailedStart] {
        do throws(UVError) {
            let text = String(decoding: try Files.read(path, limit: 1 << 24), as: UTF8.self)
            return text.split(separator: "\n").compactMap { FailedStart(line: $0) }
        } catch .noEntry {
            return []
        }
    }
}
