import Testing
import UVKeeper

@Suite struct LineCutterTests {
    @Test("lines know where they are, in whatever pieces they come") func pieces() {
        let text = Array("one\n\nthree and more\nlast".utf8)
        for size in 1...text.count {
            var cutter = LineCutter(longest: 100)
            for start in stride(from: 0, to: text.count, by: size) {
                cutter.append(Array(text[start..<min(start + size, text.count)]), at: UInt64(start) + 7)
            }
            cutter.end()
            var lines: [KeptLine] = []
            while let line = cutter.take() { lines.append(line) }
            #expect(lines.map(\.text) == ["one", "", "three and more", "last"])
            #expect(lines.map(\.offset) == [7, 11, 12, 27] && lines.map(\.end) == [11, 12, 27, 31])
        }
    }

    @Test("a line that is too long comes in pieces, and what follows a gap says so") func longAndGaps() {
        var cutter = LineCutter(longest: 4)
        cutter.append(Array("abcdefghij\nxy".utf8), at: 0)
        cutter.noteGap()
        cutter.append(Array("z\n".utf8), at: 100)
        var lines: [KeptLine] = []
        while let line = cutter.take() { lines.append(line) }
        #expect(lines.map(\.text) == ["abcd", "efgh", "ij", "xy", "z"])
        #expect(lines.map(\.followsGap) == [false, false, false, false, true])
        #expect(lines.last?.offset == 100)
    }
}
