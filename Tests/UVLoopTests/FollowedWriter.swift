import TestSupport
import Testing
import UVLoop

/// A writer that, by its seed, writes numbered lines to a followed file, and cuts, renames, replaces and removes it.
///
/// A line names its file, the number of its cuts, and the line's number since the last cut: `3.1.14`. Dots follow, as
/// many as these numbers add up to, so that a line made of two is noticed.
struct FollowedWriter {
    let path: String
    /// The files, all kept open, so that no two have the same identity.
    private(set) var files: [OpenFile] = []
    /// The numbers of lines written, for each file and each cut of it.
    private(set) var counts: [[Int]] = []
    private var generator: SeededGenerator

    init(_ path: String, seed: UInt64) throws {
        self.path = path
        generator = SeededGenerator(seed: seed)
        try create(at: path)
    }

    static func line(_ file: Int, _ cut: Int, _ number: Int) -> String {
        "\(file).\(cut).\(number)" + String(repeating: ".", count: (file * 7 + cut * 11 + number * 13) % 200) + "\n"
    }

    mutating func step() throws {
        switch Int.random(in: 0..<24, using: &generator) {
        case 0..<14: try append(Int.random(in: 1...40, using: &generator))
        case 14: try append(3000)
        case 15: try cut()
        case 16..<18:
            // The file is cut like a log that goes on, and grows past its old size at once.
            let size = try files.last!.status().size
            try cut()
            while try files.last!.status().size <= size { try append(100) }
        case 18:
            try Files.rename(path, to: path + ".old")
            try append(5)
            try create(at: path)
        case 19, 20:
            try create(at: path + ".new")
            try append(Int.random(in: 0...30, using: &generator))
            try Files.rename(path + ".new", to: path)
        case 21:
            try Files.unlink(path)
            try create(at: path)
            try append(10)
        case 22:
            // The file is moved away and back again.
            try Files.rename(path, to: path + ".away")
            try append(3)
            try Files.rename(path + ".away", to: path)
        default: try append(1, in: 3)
        }
    }

    private mutating func create(at path: String) throws {
        files.append(try OpenFile(path, .append))
        counts.append([0])
        try files.last!.truncate()
    }

    private mutating func cut() throws {
        try files.last!.truncate()
        counts[counts.count - 1].append(0)
    }

    private mutating func append(_ lines: Int, in writes: Int = 1) throws {
        let file = counts.count - 1
        let cut = counts[file].count - 1
        let first = counts[file][cut]
        let bytes = Array((first..<first + lines).map { FollowedWriter.line(file, cut, $0) }.joined().utf8)
        for part in 0..<writes {
            try files[file].write(Array(bytes[bytes.count * part / writes..<bytes.count * (part + 1) / writes]))
        }
        counts[file][cut] += lines
    }
}

/// Judges the reports of a tail on such a file: each line comes once and in order, and only lines that were cut away
/// are missing.
struct FollowedJudge {
    private var rest: [UInt8] = []
    private var last = (file: -1, cut: -1, number: -1)
    private var lastLines: [Int: (cut: Int, number: Int)] = [:]
    private(set) var opened: [FileIdentity] = []
    private(set) var cuts = 0
    private(set) var lineCount = 0

    mutating func opened(_ identity: FileIdentity) {
        #expect(rest.isEmpty, "the old file ends with a whole line")
        if !opened.contains(identity) { opened.append(identity) }
    }

    mutating func wasCut() {
        rest = []
        cuts += 1
    }

    mutating func take(_ bytes: [UInt8]) {
        rest += bytes
        var start = rest.startIndex
        while let end = rest[start...].firstIndex(of: 0x0A) {
            take(line: String(decoding: rest[start...end], as: UTF8.self))
            start = end + 1
        }
        rest.removeSubrange(..<start)
    }

    private mutating func take(line: String) {
        let numbers = line.split(separator: ".").prefix(3).compactMap { Int($0.filter { $0 != "\n" }) }
        guard numbers.count == 3, line == FollowedWriter.line(numbers[0], numbers[1], numbers[2]) else {
            Issue.record("no line of the writer's: \(line.debugDescription) after \(last)")
            return
        }
        let next = (file: numbers[0], cut: numbers[1], number: numbers[2])
        let isSame = next.file == last.file && next.cut == last.cut
        let isLater = (next.file, next.cut) > (last.file, last.cut) && next.number == 0
        #expect(isSame && next.number == last.number + 1 || isLater, "\(next) after \(last)")
        last = next
        lineCount += 1
        lastLines[next.file] = (next.cut, next.number)
    }

    /// True if all lines that must come have come.
    func isComplete(_ writer: FollowedWriter) -> Bool { missing(writer).isEmpty && rest.isEmpty }

    /// Returns the missing lines of the files that were opened, in words, and the last file if it was not opened.
    func missing(_ writer: FollowedWriter) -> [String] {
        var missing: [String] = []
        for (index, file) in writer.files.enumerated() {
            guard opened.contains(file.statusAtOpening.identity) else {
                if index == writer.files.count - 1 { missing.append("file \(index), the last") }
                continue
            }
            let count = writer.counts[index].last!
            guard count > 0 else { continue }
            let expected = (cut: writer.counts[index].count - 1, number: count - 1)
            let found = lastLines[index] ?? (-1, -1)
            if found != expected { missing.append("file \(index): \(expected), found \(found)") }
        }
        return missing
    }
}
