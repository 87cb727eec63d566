import Testing

@testable import uvkeeper_stress

@Suite struct OutputFormatTests {
    private let format = OutputFormat(key: 99, stream: 0)

    private func bytes(_ offset: UInt64, _ count: Int, of format: OutputFormat? = nil) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            (format ?? self.format).fill(buffer.baseAddress!, count: count, from: offset)
            filled = count
        }
    }

    @Test("a byte follows from its offset alone, whatever piece it is in") func pieces() {
        let all = bytes(0, 200)
        for start in 0..<40 {
            for count in [1, 2, 7, 8, 9, 31, 100] {
                let piece = bytes(UInt64(start), count)
                #expect(piece == Array(all[start..<start + count]))
                #expect(format.firstWrong(piece, count: count, at: UInt64(start)) == nil)
            }
        }
        #expect(all.allSatisfy { (32..<127).contains($0) })
    }

    @Test("the first byte that is wrong is found") func wrong() {
        for offset in [UInt64(0), 3, 8] {
            for place in 0..<40 {
                var piece = bytes(offset, 40)
                piece[place] ^= 1
                #expect(format.firstWrong(piece, count: 40, at: offset) == place)
            }
        }
    }

    @Test("another offset, stream or life is wrong within a few bytes") func others() {
        let piece = bytes(80, 64)
        for (other, offset) in [
            (format, UInt64(81)), (format, 88), (format, 16), (OutputFormat(key: 99, stream: 1), 80),
            (OutputFormat(key: 100, stream: 0), 80),
        ] {
            #expect(other.firstWrong(piece, count: 64, at: offset).map { $0 < 8 } == true)
        }
        #expect(OutputFormat.key(seed: 1, session: 0, life: 1) != OutputFormat.key(seed: 1, session: 1, life: 0))
    }
}
