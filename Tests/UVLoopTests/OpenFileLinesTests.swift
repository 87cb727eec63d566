import TestSupport
import Testing
import UVLoop

@Suite("The last lines of a file") struct OpenFileLinesTests {
    @Test("begin after the newline before them; the last may lack its own") func starts() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            #expect(try file.offset(ofLastLines: 1) == 0)
            try file.write(Array("one\n\ntwo\nthree".utf8))
            for (count, offset) in [(0, 14), (1, 9), (2, 5), (3, 4), (4, 0), (5, 0)] {
                #expect(try file.offset(ofLastLines: count) == offset, "\(count) lines")
            }
            // The next bytes go where the last ones ended.
            try file.write([0x0A])
            #expect(try file.read(limit: 99) == Array("one\n\ntwo\nthree\n".utf8))
            #expect(try file.offset(ofLastLines: 1) == 9)
        }
    }

    @Test("are found across a hole of terabytes, of which nothing is read", .enabled(if: Holes.areTold))
    func hugeHole() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            try file.write(Array("one\ntwo\n".utf8))
            try Holes.enlarge(file)
            let size = Holes.size
            for (count, offset) in [(0, size), (1, 8), (2, 4), (3, 0)] {
                #expect(try file.offset(ofLastLines: count) == offset, "\(count) lines")
            }
            try file.write(Array("x\nlast\n".utf8), at: size - 7)
            for (count, offset) in [(1, size - 5), (2, 8), (3, 4), (4, 0)] {
                #expect(try file.offset(ofLastLines: count) == offset, "\(count) lines")
            }
        }
    }

    @Test("are those that reading the whole file finds, wherever it has holes", arguments: 0..<8)
    func random(seed: UInt64) throws {
        try withTemporaryDirectory { directory in
            var generator = SeededGenerator(seed: seed)
            for number in 0..<4 {
                let file = try OpenFile("\(directory)/\(number)", .createNew)
                let size = Int.random(in: 1...2_000_000, using: &generator)
                try file.truncate(to: UInt64(size))
                for _ in 0..<Int.random(in: 0...4, using: &generator) {
                    let start = Int.random(in: 0..<size, using: &generator)
                    let length = min(size - start, Int.random(in: 1...100_000, using: &generator))
                    var written = [UInt8](repeating: 0x78, count: length)
                    for _ in 0..<3 { written[Int.random(in: 0..<length, using: &generator)] = 0x0A }
                    try file.write(written, at: start)
                }
                let bytes = try file.read(limit: size)
                let ends = bytes.indices.dropLast().filter { bytes[$0] == 0x0A }
                for count in 1...ends.count + 2 {
                    let expected = count > ends.count ? 0 : ends[ends.count - count] + 1
                    #expect(try file.offset(ofLastLines: count) == expected, "\(count) of \(ends.count)")
                }
            }
        }
    }

    @Test("each line is given, in whatever pieces it was read, until no more is wanted", arguments: ["", "\n"])
    func each(end: String) throws {
        try withTemporaryDirectory { directory in
            let lines = ["", "a", String(repeating: "b", count: 10_000), ""] + (0..<2000).map { "\($0)" }
            try Posix.write(lines.joined(separator: "\n") + end, to: "\(directory)/file")
            let file = try OpenFile("\(directory)/file", .readOnly)
            defer { file.close() }
            var found: [String] = []
            try file.forEachLine {
                found.append(String(decoding: $0, as: UTF8.self))
                return true
            }
            #expect(found == lines)
            found = []
            try file.forEachLine {
                found.append(String(decoding: $0, as: UTF8.self))
                return found.count < 2
            }
            #expect(found == ["", "a"])
        }
    }
}
