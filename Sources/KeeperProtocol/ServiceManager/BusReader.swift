/// Reads the values of a D-Bus message, little-endian, in the order of its signature.
///
/// Each read returns nil at the first byte that does not fit.
struct BusReader {
    private let bytes: ArraySlice<UInt8>
    /// The position, counted from the first byte, as boundaries are.
    private var position = 0

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func align(_ boundary: Int) -> Bool {
        let aligned = (position + boundary - 1) / boundary * boundary
        guard aligned <= bytes.count else { return false }
        position = aligned
        return true
    }

    mutating func byte() -> UInt8? { take(1)?.first }

    mutating func uint32() -> UInt32? {
        guard align(4), let value = take(4) else { return nil }
        return value.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// A string or an object path; nil if it is invalid UTF-8, or not ended by a zero byte.
    mutating func string() -> String? {
        guard let length = uint32() else { return nil }
        return text(Int(length))
    }

    mutating func signature() -> String? {
        guard let length = byte() else { return nil }
        return text(Int(length))
    }

    /// Skips so many bytes.
    mutating func skip(_ count: Int) -> Bool { take(count) != nil }

    private mutating func text(_ length: Int) -> String? {
        guard let value = take(length), byte() == 0 else { return nil }
        return String(validating: value, as: UTF8.self)
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= bytes.count - position else { return nil }
        let start = bytes.startIndex + position
        position += count
        return bytes[start..<start + count]
    }
}
