import TestSupport
import Testing
import UVLoop

@Suite("Line framer")
struct LineFramerTests {
    // MARK: - Runs of lines

    @Test("Whole lines are emitted in one run, straight from the bytes given, without allocating")
    func emitsWithoutCopy() {
        var framer = LineFramer(maximumLineLength: 100)
        let bytes = Array("a\n\nbc\n".utf8)
        var runs = 0
        let address = bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        let isAccepted = framer.append(bytes.span.bytes) { run in
            runs += 1
            #expect(run.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == address)
            #expect(run.byteCount == bytes.count)
        }
        #expect(isAccepted)
        #expect(runs == 1)
        #expect(framer.pendingByteCount == 0)
        #expect(framer.capacity == 0)
    }

    @Test("A pending line is emitted once whole, and what follows it in a second run")
    func emitsPendingFirst() {
        var framer = LineFramer(maximumLineLength: 100)
        #expect(append("ab", to: &framer) == Appended([], true))
        #expect(append("", to: &framer) == Appended([], true))
        #expect(append("cd", to: &framer) == Appended([], true))
        #expect(framer.pendingByteCount == 4)
        #expect(append("e\nf\ng\nhi", to: &framer) == Appended(["abcde\n", "f\ng\n"], true))
        #expect(framer.pendingByteCount == 2)
        #expect(append("\n", to: &framer) == Appended(["hi\n"], true))
        #expect(append("\n", to: &framer) == Appended(["\n"], true))
        #expect(framer.pendingByteCount == 0)
    }

    @Test("Bytes are bytes: NUL, CR and invalid UTF-8 pass unchanged")
    func passesEveryByte() {
        var framer = LineFramer(maximumLineLength: 1000)
        let bytes = Array(UInt8.min...UInt8.max) + [0x0A]
        var output: [UInt8] = []
        for byte in bytes {
            let isAccepted = framer.append([byte].span.bytes) { output += copy($0) }
            #expect(isAccepted)
        }
        #expect(output == bytes)
    }

    // MARK: - The longest line

    @Test(
        "A line may have exactly the maximum, newline included",
        arguments: [1, 2, 7, 8, 9, 64, 300],
        [1, 3, 64, 1000]
    )
    func boundsLines(maximum: Int, chunk: Int) {
        for (length, isAllowed) in [(maximum - 1, true), (maximum, true), (maximum + 1, false)] where length > 0 {
            for prefix in ["", "\n", "\n\n\n"] where prefix.isEmpty || maximum > 1 {
                let line = String(repeating: "x", count: length - 1) + "\n"
                var framer = LineFramer(maximumLineLength: maximum)
                let result = append(prefix + line + "\n", to: &framer, chunk: chunk)
                #expect(result.isAccepted == isAllowed)
                #expect(result.runs.joined() == (isAllowed ? prefix + line + "\n" : prefix))
                #expect((framer.refusal == .tooLong) == !isAllowed)
            }
        }
    }

    @Test("A tail of the maximum is refused at once, because its newline cannot fit any more")
    func boundsTail() {
        for chunk in [1, 4, 100] {
            var fits = LineFramer(maximumLineLength: 10)
            #expect(append("a\n123456789", to: &fits, chunk: chunk).isAccepted)
            #expect(fits.pendingByteCount == 9)
            var full = LineFramer(maximumLineLength: 10)
            let result = append("a\n1234567890", to: &full, chunk: chunk)
            #expect(!result.isAccepted)
            #expect(result.runs.joined() == "a\n")
            #expect(full.pendingByteCount == 0)
        }
    }

    @Test("After a line that was too long every byte is refused, and nothing is kept")
    func staysClosed() {
        var framer = LineFramer(maximumLineLength: 4)
        #expect(append("ab\ncd\n12345\nef\n", to: &framer) == Appended(["ab\ncd\n"], false))
        #expect(framer.refusal == .tooLong)
        #expect(framer.capacity == 0)
        #expect(append("x\n", to: &framer) == Appended([], false))
        #expect(append("", to: &framer) == Appended([], false))
        #expect(finish(&framer) == [])
    }

    @Test("A pending line that becomes too long is dropped together with the lines after it")
    func dropsPending() {
        var framer = LineFramer(maximumLineLength: 4)
        #expect(append("abc", to: &framer).isAccepted)
        #expect(append("d\nef\n", to: &framer) == Appended([], false))
    }

    @Test("A line too long after a completed one leaves two runs behind")
    func emitsBeforeOverflow() {
        var framer = LineFramer(maximumLineLength: 4)
        #expect(append("ab", to: &framer).isAccepted)
        #expect(append("c\nd\n12345", to: &framer) == Appended(["abc\n", "d\n"], false))
    }

    @Test("With no bound to speak of nothing overflows")
    func bearsLargestMaximum() {
        var framer = LineFramer(maximumLineLength: .max)
        #expect(append("ab", to: &framer).isAccepted)
        #expect(append("c\nd", to: &framer) == Appended(["abc\n"], true))
        #expect(finish(&framer) == ["d\n"])
    }

    // MARK: - The end of the stream

    @Test("Line by line it gives what the runs give, however the bytes come")
    func byLine() {
        let text = Array("a\n\nbc\n{\"x\":\"\r\"}\nlast".utf8)
        for size in 1...text.count {
            var framer = LineFramer(maximumLineLength: 100)
            var lines: [String] = []
            for start in stride(from: 0, to: text.count, by: size) {
                let piece = Array(text[start..<min(start + size, text.count)])
                let isAccepted = framer.appendByLine(piece.span.bytes) { line in
                    lines.append(line.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
                }
                #expect(isAccepted)
            }
            #expect(lines == ["a\n", "\n", "bc\n", "{\"x\":\"\r\"}\n"])
            #expect(framer.pendingByteCount == 4)
        }
        var framer = LineFramer(maximumLineLength: 3)
        var count = 0
        let bytes = Array("ab\n1234\n".utf8)
        let isAccepted = framer.appendByLine(bytes.span.bytes) { _ in count += 1 }
        #expect(!isAccepted && count == 1 && framer.refusal == .tooLong)
    }

    @Test("At the end the tail gets its newline, and there is none without a tail")
    func finishes() {
        var framer = LineFramer(maximumLineLength: 4)
        #expect(finish(&framer) == [])
        #expect(append("a\nbcd", to: &framer) == Appended(["a\n"], true))
        #expect(finish(&framer) == ["bcd\n"])
        #expect(framer.pendingByteCount == 0)
        #expect(finish(&framer) == [])
        #expect(append("e\n", to: &framer) == Appended(["e\n"], true))
    }

    // MARK: - Memory

    @Test("Memory doubles up to the longest line and is given back when a large line has gone")
    func givesMemoryBack() {
        let maximum = 1_000_000
        var framer = LineFramer(maximumLineLength: maximum)
        let piece = [UInt8](repeating: 0x78, count: 1000)
        var capacities: Set<Int> = []
        for _ in 0..<999 {
            let isAccepted = framer.append(piece.span.bytes) { _ in Issue.record("no line is whole yet") }
            #expect(isAccepted)
            #expect(framer.capacity >= framer.pendingByteCount && framer.capacity <= maximum)
            capacities.insert(framer.capacity)
        }
        #expect(capacities.count <= 12)
        #expect(append("\ny", to: &framer).runs.map(\.utf8.count) == [999_001])
        #expect(framer.capacity < LineFramer.retainedCapacity)
        #expect(framer.pendingByteCount == 1)
    }

    @Test("A small buffer is kept for the next tail")
    func keepsSmallBuffer() {
        var framer = LineFramer(maximumLineLength: 1_000_000)
        _ = append("abc", to: &framer)
        let capacity = framer.capacity
        _ = append("\n", to: &framer)
        #expect(capacity > 0 && framer.capacity == capacity)
    }

    // MARK: - Against the naive framer

    @Test("Any stream in any chunks comes out as from the naive framer", arguments: 0..<40 as Range<UInt64>)
    func agreesWithNaive(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<25 {
            let maximum = [1, 2, 3, 8, 16, 17, 64, 255, 1000, 100_000].randomElement(using: &generator)!
            let newlinesIn256 = [1, 4, 32, 128, 250].randomElement(using: &generator)!
            let chunkLimit = [1, 2, 7, 64, 300, 1500].randomElement(using: &generator)!
            var framer = LineFramer(maximumLineLength: maximum)
            var naive = NaiveLineFramer(maximumLineLength: maximum)
            var output: [UInt8] = []
            for _ in 0..<20 {
                let count = Int.random(in: 0...chunkLimit, using: &generator)
                let bytes = (0..<count).map { _ in
                    Int.random(in: 0..<256, using: &generator) < newlinesIn256
                        ? 0x0A : UInt8.random(in: .min ... .max, using: &generator)
                }
                var runs = 0
                var endsInNewline = true
                let isAccepted = framer.append(bytes.span.bytes) { run in
                    runs += 1
                    let copied = copy(run)
                    endsInNewline = endsInNewline && copied.last == 0x0A
                    output += copied
                }
                guard
                    isAccepted == naive.append(bytes), output == naive.output, runs <= 2, endsInNewline,
                    framer.pendingByteCount == naive.pending.count, (framer.refusal == .tooLong) == naive.hasOverflowed,
                    framer.capacity <= maximum
                else {
                    Issue.record("seed \(seed), round \(round): maximum \(maximum), \(count) bytes in \(runs) runs")
                    return
                }
            }
            framer.finish { output += copy($0) }
            naive.finish()
            #expect(output == naive.output)
        }
    }

    // MARK: - Helpers

    private struct Appended: Equatable {
        var runs: [String]
        var isAccepted: Bool

        init(_ runs: [String], _ isAccepted: Bool) {
            self.runs = runs
            self.isAccepted = isAccepted
        }
    }

    private func append(_ text: String, to framer: inout LineFramer, chunk: Int = .max) -> Appended {
        var result = Appended([], framer.refusal != .tooLong)
        var rest = Array(text.utf8)[...]
        repeat {
            let bytes = Array(rest.prefix(chunk))
            rest = rest.dropFirst(chunk)
            result.isAccepted = framer.append(bytes.span.bytes) { run in
                result.runs.append(String(decoding: copy(run), as: UTF8.self))
            }
        } while !rest.isEmpty
        return result
    }

    private func finish(_ framer: inout LineFramer) -> [String] {
        var runs: [String] = []
        framer.finish { runs.append(String(decoding: copy($0), as: UTF8.self)) }
        return runs
    }

    private func copy(_ span: RawSpan) -> [UInt8] {
        span.withUnsafeBytes { Array($0) }
    }

    // MARK: - No memory

    @Test(
        "Without memory for a tail it refuses it, says so, and has emitted the lines before", arguments: [1, 7, 1000])
    func refusesForWantOfMemory(chunk: Int) {
        var framer = LineFramer(maximumLineLength: 100_000)
        framer.memoryLimit = 600
        let tail = String(repeating: "x", count: 599)
        #expect(append("a\nb\n" + tail, to: &framer, chunk: chunk).runs.joined() == "a\nb\n")
        #expect(framer.refusal == nil)
        #expect(framer.pendingByteCount == 599)
        let result = append("y", to: &framer)
        #expect(!result.isAccepted && result.runs.isEmpty)
        #expect(framer.refusal == .outOfMemory)
        let hasOverflowed = (framer.refusal == .tooLong)
        #expect(!hasOverflowed)
        #expect(framer.capacity == 0 && framer.pendingByteCount == 0)
        #expect(!append("z\n", to: &framer).isAccepted)
        var ends = 0
        framer.finish { _ in ends += 1 }
        #expect(ends == 0)
    }

    @Test("With just enough memory it does without doubling, and has a byte for the newline of the end")
    func justEnoughMemory() {
        var framer = LineFramer(maximumLineLength: 100_000)
        framer.memoryLimit = 301
        #expect(append(String(repeating: "x", count: 300), to: &framer, chunk: 50).isAccepted)
        var last = 0
        framer.finish { last = $0.byteCount }
        #expect(last == 301)
        #expect(framer.refusal == nil)
    }

    @Test("A line too long is told apart from one without memory")
    func tellsRefusalsApart() {
        var framer = LineFramer(maximumLineLength: 10)
        #expect(!append("12345678901", to: &framer).isAccepted)
        #expect(framer.refusal == .tooLong)
    }
}
