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

    /// The deepest nesting that the format allows: 32 arrays and 32 structures.
    private static let deepest = 64

    /// Skips the value of a type, and takes the type off the signature; false at the first byte that does not fit.
    mutating func skipValue(_ types: inout ArraySlice<UInt8>, depth: Int = 0) -> Bool {
        guard depth < BusReader.deepest, let type = types.popFirst(), let boundary = BusReader.boundary(of: type),
            align(boundary)
        else { return false }
        switch type {
        case UInt8(ascii: "s"), UInt8(ascii: "o"): return string() != nil
        case UInt8(ascii: "g"): return signature() != nil
        case UInt8(ascii: "v"):
            guard let signature = signature() else { return false }
            var inner = Array(signature.utf8)[...]
            return skipValue(&inner, depth: depth + 1) && inner.isEmpty
        case UInt8(ascii: "a"):
            // The length counts from the first element.
            guard let length = uint32(), let boundary = types.first.flatMap(BusReader.boundary), align(boundary) else {
                return false
            }
            return BusReader.takeType(off: &types) && skip(Int(length))
        case UInt8(ascii: "("), UInt8(ascii: "{"):
            let end = type == UInt8(ascii: "(") ? UInt8(ascii: ")") : UInt8(ascii: "}")
            while types.first != end {
                guard skipValue(&types, depth: depth + 1) else { return false }
            }
            return types.popFirst() != nil
        default: return skip(boundary)
        }
    }

    /// The boundary that a type's values are aligned to; the size, too, of a number. Nil if there is no such type.
    private static func boundary(of type: UInt8) -> Int? {
        switch type {
        case _ where "ygv".utf8.contains(type): 1
        case _ where "nq".utf8.contains(type): 2
        case _ where "biuhsoa".utf8.contains(type): 4
        case _ where "xtd({".utf8.contains(type): 8
        default: nil
        }
    }

    /// Takes one type off a signature, with all that is inside it.
    private static func takeType(off types: inout ArraySlice<UInt8>) -> Bool {
        var depth = 0
        while let type = types.popFirst() {
            switch type {
            case UInt8(ascii: "a"): continue
            case UInt8(ascii: "("), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: ")"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
            if depth <= 0 { return depth == 0 }
        }
        return false
    }

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
