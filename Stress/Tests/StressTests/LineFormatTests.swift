import TestSupport
import Testing

@testable import uvkeeper_stress

@Suite struct LineFormatTests {
    @Test("a line reads back as what it was", arguments: [64, 65, 4096, 1 << 20]) func readsBack(size: Int) throws {
        let bytes = line(7, of: 3, size: size)
        #expect(bytes.count == size && bytes.last == UInt8(ascii: "\n"))
        #expect(!bytes.dropLast().contains(UInt8(ascii: "\n")), "one newline, at its end")
        let read = try #require(header(of: bytes))
        #expect(read.kind == LineFormat.Kind.ordered && read.writer == 3 && read.sequence == 7)
        #expect(isWhole(bytes))
    }

    @Test("a line shorter than a header has none") func short() {
        #expect(header(of: Array(line(0, of: 0)[..<(LineFormat.headerByteCount - 1)])) == nil)
        #expect(header(of: [UInt8](repeating: UInt8(ascii: "z"), count: 64)) == nil, "no hex digits")
    }

    @Test("any changed byte is noticed, the newline's place included") func changed() {
        let bytes = line(1, of: 2, size: 96)
        for index in 1..<bytes.count - 1 {
            var other = bytes
            other[index] = other[index] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
            #expect(!isWhole(other), "byte \(index)")
        }
    }

    @Test("a part of a line is not whole, and neither are two halves of different lines") func torn() {
        let one = line(1, of: 0, size: 200)
        let two = line(2, of: 0, size: 200)
        #expect(!isWhole(Array(one[..<100]) + [10]))
        #expect(!isWhole(Array(one[100...])))
        #expect(!isWhole(Array(one[..<100]) + two[100...]))
    }
}

private func line(_ sequence: Int, of writer: Int, size: Int = 64) -> [UInt8] {
    LineFormat(kind: LineFormat.Kind.ordered, writer: writer, sequence: sequence, byteCount: size).bytes()
}

private func header(of bytes: [UInt8]) -> LineFormat? {
    bytes.withUnsafeBytes { LineFormat(headerAt: $0.baseAddress!, count: $0.count) }
}

private func isWhole(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes {
        LineFormat(headerAt: $0.baseAddress!, count: $0.count)?.isWhole($0.baseAddress!, count: $0.count)
    }
        ?? false
}
