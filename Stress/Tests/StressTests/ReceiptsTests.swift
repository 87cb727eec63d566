import TestSupport
import Testing

@testable import uvkeeper_stress

/// What the verifying child finds in its input.
@Suite struct ReceiptsTests {
    @Test("lines in order are nothing but received, however they are cut into reads", arguments: [1, 7, 64, 65536])
    func innocent(readByteCount: Int) throws {
        let lines = (0..<20).map { line($0, of: 0) } + (0..<5).map { line($0, of: 1) }
        try receive(lines.flatMap { $0 }, inReadsOf: readByteCount) { receipts in
            #expect(receipts[.lines] == 25 && receipts.end(of: 0) == 20 && receipts.end(of: 1) == 5)
            #expect((0..<20).allSatisfy { receipts.hasReceived(0, $0) })
            #expect(found(receipts) == [:])
        }
    }

    @Test("a line that comes twice is one duplicate") func duplicated() throws {
        try receive(line(0, of: 0) + line(1, of: 0) + line(0, of: 0)) { #expect(found($0) == [.duplicates: 1]) }
    }

    @Test("the lines of a writer are counted, each once") func count() throws {
        try withTemporaryDirectory { directory in
            let receipts = try Receipts("\(directory)/r", writers: 2)
            for sequence in [0, 1, 1, 63, 64, 200] { receipts.note(1, sequence, isOrdered: true) }
            #expect(receipts.count(of: 1) == 5 && receipts.count(of: 0) == 0)
        }
    }

    @Test("a line after a later one is late; one of a burst is not") func reordered() throws {
        try receive(line(1, of: 0) + line(0, of: 0)) { receipts in
            #expect(found(receipts) == [.reordered: 1])
            #expect(receipts.fragments.map(\.kind) == [Receipts.reorderedKind])
            #expect(receipts.fragments.map(\.byteCount) == [2], "line 1 had overtaken it")
        }
        let unordered = LineFormat.Kind.unordered
        try receive(line(1, of: 0, kind: unordered) + line(0, of: 0, kind: unordered)) { #expect(found($0) == [:]) }
    }

    @Test("both halves of a torn line are noticed, and whose it was") func torn() throws {
        let whole = line(4, of: 1)
        try receive(Array(whole[..<50]) + [10] + whole[50...]) { receipts in
            #expect(found(receipts) == [.torn: 2])
            #expect(receipts.fragments.first?.writer == 1 && receipts.fragments.first?.sequence == 4)
        }
    }

    @Test("an input that ends within a line has a tail") func tail() throws {
        try receive(line(0, of: 0) + line(1, of: 0)[..<60]) { receipts in
            #expect(found(receipts) == [.tails: 1])
            #expect(receipts.fragments.map(\.kind) == [Receipts.tailKind])
            #expect(receipts.end(of: 0) == 1)
        }
    }

    @Test("a fragment of a faulty client is counted apart, a line of no writer too") func others() throws {
        try receive(Array(line(0, of: 0, kind: LineFormat.Kind.faulty)[..<30]) + [10]) {
            #expect(found($0) == [.fragments: 1])
        }
        try receive(line(0, of: 2)) { #expect(found($0) == [.strange: 1]) }
    }

    private func found(_ receipts: Receipts) -> [Receipts.Counter: UInt64] {
        let all: [Receipts.Counter] = [.duplicates, .reordered, .torn, .fragments, .tails, .strange]
        return Dictionary(uniqueKeysWithValues: all.map { ($0, receipts[$0]) }).filter { $0.value > 0 }
    }

    /// Gives bytes to a verifying child of two writers.
    private func receive(
        _ bytes: [UInt8], inReadsOf readByteCount: Int = 65536, _ body: (Receipts) throws -> Void,
    ) throws {
        try withTemporaryDirectory { directory in
            let receipts = try Receipts("\(directory)/r", writers: 2)
            let child = VerifyingChild(receipts, mischief: Mischief(.none))
            var rest = bytes[...]
            child.run { buffer, count in
                let step = min(count, readByteCount, rest.count)
                rest.prefix(step).withUnsafeBytes {
                    if step > 0 { buffer.copyMemory(from: $0.baseAddress!, byteCount: step) }
                }
                rest = rest.dropFirst(step)
                return step
            }
            try body(receipts)
        }
    }
}

private func line(_ sequence: Int, of writer: Int, kind: UInt8 = LineFormat.Kind.ordered) -> [UInt8] {
    LineFormat(kind: kind, writer: writer, sequence: sequence, byteCount: 100).bytes()
}
