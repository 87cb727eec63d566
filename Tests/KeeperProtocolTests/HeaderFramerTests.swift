import KeeperProtocol
import TestSupport
import Testing

@Suite struct HeaderFramerTests {
    /// The headers of pieces; nil at the end if one is too long.
    private func headers(_ pieces: [[UInt8]], limit: Int) -> [String?] {
        var framer = HeaderFramer(limit: limit)
        var headers: [String?] = []
        for piece in pieces {
            var position = 0
            while position < piece.count {
                let found = piece.withUnsafeBytes { framer.find(in: $0, from: &position) }
                switch found {
                case .here(let range): headers.append(String(decoding: piece[range], as: UTF8.self))
                case .pending: headers.append(framer.takePending { String(decoding: $0, as: UTF8.self) })
                case .none: #expect(position == piece.count)
                case .tooLong: return headers + [nil]
                }
                #expect(framer.pendingByteCount < limit)
            }
        }
        return headers
    }

    @Test("every way to cut a few headers in three gives the same headers")
    func threePieces() {
        let bytes = Array("ping\n\nwrite 1 7\n\nx".utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                let pieces = [Array(bytes[..<first]), Array(bytes[first..<second]), Array(bytes[second...])]
                #expect(headers(pieces, limit: 100) == ["ping", "", "write 1 7", ""])
            }
        }
    }

    @Test("random headers in random pieces are the same headers")
    func randomPieces() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            let expected = (0..<20).map { _ in String(repeating: "h", count: .random(in: 0...40, using: &generator)) }
            let bytes = Array(expected.map { $0 + "\n" }.joined().utf8)
            var pieces: [[UInt8]] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + .random(in: 1...60, using: &generator))
                pieces.append(Array(bytes[start..<end]))
                start = end
            }
            #expect(headers(pieces, limit: 41) == expected)
        }
    }

    @Test(
        "a header of exactly the limit is found, newline included, and one more byte is too long, in any pieces",
        arguments: 0...10)
    func limit(cut: Int) {
        let fits = Array("123456789\nab\n".utf8)
        #expect(headers([Array(fits[..<cut]), Array(fits[cut...])], limit: 10) == ["123456789", "ab"])
        let long = Array("a\n1234567890\n".utf8)
        #expect(headers([Array(long[..<cut]), Array(long[cut...])], limit: 10) == ["a", nil])
    }

    @Test("a header is too long as soon as its newline has no room, before it comes")
    func early() {
        #expect(headers([Array("123456789".utf8)], limit: 10) == [])
        #expect(headers([Array("1234567890".utf8)], limit: 10) == [nil])
        #expect(headers([Array("12345".utf8), Array("67890".utf8)], limit: 10) == [nil])
    }

    @Test("what follows a header stays where it is")
    func payload() {
        var framer = HeaderFramer(limit: 100)
        let bytes = Array("write 1 3\na\nb\nping\n".utf8)
        bytes.withUnsafeBytes { bytes in
            var position = 0
            guard case .here(0..<9) = framer.find(in: bytes, from: &position) else { return #expect(position < 0) }
            #expect(position == 10)
            position = 14
            guard case .here(14..<18) = framer.find(in: bytes, from: &position) else { return #expect(position < 0) }
            #expect(position == bytes.count && framer.pendingByteCount == 0)
        }
    }
}
