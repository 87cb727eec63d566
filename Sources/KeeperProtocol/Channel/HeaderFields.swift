/// A cursor over a header: fields separated by single spaces.
struct HeaderFields {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    /// - Parameter bytes: the header without its newline, valid as long as the cursor.
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// True if no field is left.
    var isAtEnd: Bool { position > bytes.count || bytes.isEmpty }

    /// The next field, never empty; nil if there is none, or if it is empty.
    mutating func next() -> UnsafeRawBufferPointer? {
        guard position <= bytes.count else { return nil }
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: " ") { position += 1 }
        let end = position
        // A position one past the end means that no field is left; a space at the end is followed by an empty field.
        position += 1
        return start == end ? nil : UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }

    /// The next field as a number of at most 15 digits, without a sign or a leading zero.
    mutating func number() -> UInt64? {
        guard let field = next(), field.count <= 15, field.count == 1 || field[0] != UInt8(ascii: "0") else {
            return nil
        }
        var number: UInt64 = 0
        for byte in field {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        return number
    }

    /// The next field as text, of printable ASCII characters other than space.
    mutating func text() -> String? {
        guard let field = next(), field.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return String(decoding: field, as: UTF8.self)
    }

    /// The rest of the header, spaces included; nil if nothing is left.
    mutating func rest() -> UnsafeRawBufferPointer? {
        guard position < bytes.count else { return nil }
        defer { position = bytes.count + 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[position...])
    }
}
