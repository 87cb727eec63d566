import KeeperProtocol
import UVKeeper

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A printer of a session's output: its bytes as they are, or an object for each piece.
///
/// An object has the piece as `text` if its bytes are UTF-8, else as `base64`. An unfinished character waits for its
/// rest, so that text stays text. Offsets count bytes, and the pieces and gaps of a stream follow each other without a
/// seam.
struct OutputPrinter {
    private struct Piece: Encodable {
        var stream: ChildStream
        var offset: UInt64
        var text: String?
        var base64: String?
    }

    private struct Gap: Encodable {
        struct Bytes: Encodable {
            var stream: ChildStream
            var from: UInt64
            var to: UInt64
        }

        var gap: Bytes
    }

    let pump: OutputPump
    let isJSON: Bool
    /// True if stderr is printed to stdout too.
    private let isMerged: Bool
    /// The bytes of an unfinished character, and their offset.
    private var held: [ChildStream: (offset: UInt64, bytes: [UInt8])] = [:]

    init(_ pump: OutputPump, isJSON: Bool, isMerged: Bool = false) {
        self.pump = pump
        self.isJSON = isJSON
        self.isMerged = isMerged
    }

    mutating func print(_ stream: ChildStream, _ offset: UInt64, _ bytes: RawSpan) {
        let bytes = bytes.withUnsafeBytes { Array($0) }
        guard isJSON else { return pump.write(bytes, to: stream == .out || isMerged ? 1 : 2) }
        let (start, all) = held.removeValue(forKey: stream).map { ($0.offset, $0.bytes + bytes) } ?? (offset, bytes)
        let end = all.count - OutputPrinter.unfinished(all)
        if end > 0 { print(stream, start, Array(all[..<end])) }
        if end < all.count { held[stream] = (start + UInt64(end), Array(all[end...])) }
    }

    mutating func gap(_ stream: ChildStream, _ range: Range<UInt64>) {
        finish(stream)
        if isJSON { write(Gap(gap: .init(stream: stream, from: range.lowerBound, to: range.upperBound))) }
        let name = stream == .out ? "stdout" : "stderr"
        Output.error(
            Output.count(range.count, "byte")
                + " of \(name) \(range.count == 1 ? "is" : "are") gone, \(range.lowerBound) to \(range.upperBound): older than what is kept, "
                + "or the disk did not take them")
    }

    /// Prints bytes that still wait for the rest of a character.
    mutating func finish() {
        for stream in ChildStream.allCases { finish(stream) }
    }

    /// Prints an object of another kind.
    func write(_ value: some Encodable) {
        pump.write(Array((Output.encoded(value, hasRawBytes: false) + "\n").utf8))
    }

    private mutating func finish(_ stream: ChildStream) {
        if let (offset, bytes) = held.removeValue(forKey: stream) { print(stream, offset, bytes) }
    }

    private func print(_ stream: ChildStream, _ offset: UInt64, _ bytes: [UInt8]) {
        let text = String(validating: bytes, as: UTF8.self)
        write(
            Piece(
                stream: stream, offset: offset, text: text,
                base64: text == nil ? Data(bytes).base64EncodedString() : nil))
    }

    /// The number of bytes at the end that begin an unfinished character.
    static func unfinished(_ bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let byte = bytes[bytes.count - count]
            // The byte continues a character, whose first byte is before it.
            if byte & 0xC0 == 0x80 { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return length > count ? count : 0
        }
        return 0
    }
}
