/// A line of the test traffic: `kind writer(4) sequence(12) length(8) checksum(16) payload newline`, numbers in hex.
///
/// The checksum covers everything but itself, so a line that is torn, mixed with another, or changed does not pass.
struct LineFormat {
    /// The kind of writer, which decides what may happen to the line.
    enum Kind {
        /// A writer whose lines arrive once, whole, in order.
        static let ordered = UInt8(ascii: "L")
        /// A burst of connections at once: its lines arrive once and whole, in any order.
        static let unordered = UInt8(ascii: "U")
        /// A client that disconnects in mid-line: its fragments arrive as lines, by contract.
        static let faulty = UInt8(ascii: "F")
    }

    static let headerByteCount = 41
    /// The size of a header, a little payload, and the newline.
    static let minimumByteCount = 64
    static let maximumByteCount = 1 << 20
    private static let checkedHeaderByteCount = 25

    let kind: UInt8
    let writer: Int
    let sequence: Int
    /// The size in bytes, newline included.
    let byteCount: Int

    /// The line's bytes. The payload follows from writer and sequence.
    func bytes() -> [UInt8] {
        let payloadCount = byteCount - LineFormat.headerByteCount - 1
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            let base = UnsafeMutableRawPointer(buffer.baseAddress!)
            base.storeBytes(of: kind, as: UInt8.self)
            Hex.write(UInt64(writer), digits: 4, to: base + 1)
            Hex.write(UInt64(sequence), digits: 12, to: base + 5)
            Hex.write(UInt64(byteCount), digits: 8, to: base + 17)
            let payload = base + LineFormat.headerByteCount
            Payload.fill(payload, count: payloadCount, from: writer &* 7919 &+ sequence &* 104_729)
            let sum = LineFormat.checksum(base, payload: payload, count: payloadCount)
            Hex.write(sum, digits: 16, to: base + LineFormat.checkedHeaderByteCount)
            base.storeBytes(of: UInt8(ascii: "\n"), toByteOffset: byteCount - 1, as: UInt8.self)
            count = byteCount
        }
    }

    init(kind: UInt8, writer: Int, sequence: Int, byteCount: Int) {
        self.kind = kind
        self.writer = writer
        self.sequence = sequence
        self.byteCount = max(LineFormat.minimumByteCount, byteCount)
    }

    /// Reads the header of a line, or of the start of one; nil if there is no whole header.
    init?(headerAt base: UnsafeRawPointer, count: Int) {
        guard count >= LineFormat.headerByteCount, let writer = Hex.read(base + 1, digits: 4),
            let sequence = Hex.read(base + 5, digits: 12), let length = Hex.read(base + 17, digits: 8)
        else { return nil }
        kind = base.load(as: UInt8.self)
        self.writer = Int(writer)
        self.sequence = Int(sequence)
        byteCount = Int(length)
    }

    /// True if the bytes, newline included, are this line, whole and unchanged.
    @inline(__always)
    func isWhole(_ base: UnsafeRawPointer, count: Int) -> Bool {
        guard count == byteCount, count > LineFormat.headerByteCount,
            let stated = Hex.read(base + LineFormat.checkedHeaderByteCount, digits: 16)
        else { return false }
        let payload = base + LineFormat.headerByteCount
        return stated == LineFormat.checksum(base, payload: payload, count: count - LineFormat.headerByteCount - 1)
    }

    @inline(__always)
    private static func checksum(_ base: UnsafeRawPointer, payload: UnsafeRawPointer, count: Int) -> UInt64 {
        Checksum.of(payload, count: count, seed: Checksum.of(base, count: checkedHeaderByteCount, seed: 1))
    }
}
