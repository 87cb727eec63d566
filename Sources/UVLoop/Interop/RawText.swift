internal import CLibUV

/// Bytes of the system (paths, arguments, variables) as text and back, without loss, since they need not be UTF-8.
///
/// Valid UTF-8 stays as it is. A byte that is no part of valid UTF-8 becomes the scalar U+10FF00 plus the byte, which
/// is in U+10FF80 ... U+10FFFF, a private use area that nobody uses. A valid encoding of such a scalar is mapped byte
/// by byte too, so that every sequence of bytes has one text, and that text gives exactly these bytes. Mirrors Python's
/// `surrogateescape`. Every function of this module that takes or gives a path, an argument or a variable maps it this
/// way.
public enum RawText {
    /// The scalars that represent a byte.
    public static let scalars: ClosedRange<Unicode.Scalar> = "\u{10FF80}"..."\u{10FFFF}"

    /// The first byte of the UTF-8 of each such scalar. Few other scalars begin with it, and none of a language.
    private static let lead: UInt8 = 0xF4

    /// Returns the text of some bytes.
    public static func string(_ bytes: some Collection<UInt8>) -> String {
        bytes.withContiguousStorageIfAvailable { string($0) } ?? Array(bytes).withUnsafeBufferPointer { string($0) }
    }

    /// Returns the text of a zero-terminated string.
    static func string(_ bytes: UnsafePointer<CChar>) -> String {
        string(UnsafeRawBufferPointer(start: bytes, count: strlen(bytes)))
    }

    /// Returns the bytes of a text.
    public static func bytes(of text: String) -> [UInt8] {
        guard !isPlain(text) else { return Array(text.utf8) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            if scalars.contains(scalar) {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                bytes += UTF8.encode(scalar)!
            }
        }
        return bytes
    }

    /// Returns the number of bytes that a text represents.
    public static func byteCount(of text: String) -> Int {
        isPlain(text) ? text.utf8.count : bytes(of: text).count
    }

    /// True if no scalar of the text represents a byte: the text then means its own UTF-8.
    public static func isPlain(_ text: String) -> Bool {
        let mayBe = text.utf8.withContiguousStorageIfAvailable { bytes in
            bytes.baseAddress.map { memchr($0, CInt(lead), bytes.count) != nil } ?? false
        }
        guard mayBe ?? text.utf8.contains(lead) else { return true }
        return !text.unicodeScalars.contains { scalars.contains($0) }
    }

    /// Calls `body` with the bytes of a text and a zero after them.
    ///
    /// - Throws: ``UVError/invalidArgument`` for a text with a zero in it: C would cut it off there, and use another
    /// file than the one meant.
    static func withCString<Result>(
        _ text: String, _ body: (UnsafePointer<CChar>) -> Result
    ) throws(UVError) -> Result {
        guard isPlain(text) else { return try withCString(bytes(of: text), body) }
        let count = text.utf8.count
        let result = text.withCString { strlen($0) == count ? body($0) : nil }
        guard let result else { throw .invalidArgument }
        return result
    }

    private static func withCString<Result>(
        _ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result
    ) throws(UVError) -> Result {
        guard !bytes.contains(0) else { throw .invalidArgument }
        return (bytes + [0]).withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }

    private static func string(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        string(UnsafeRawBufferPointer(bytes))
    }

    /// Returns the text of bytes in memory. ASCII is handled first, for discoveries, which make thousands of texts.
    static func string(_ bytes: UnsafeRawBufferPointer) -> String {
        guard let base = bytes.baseAddress else { return "" }
        // The usual case is ASCII; a validation costs twice as much as the rest.
        guard bytes.contains(where: { $0 >= 0x80 }) else { return String(decoding: bytes, as: UTF8.self) }
        let text = String(validating: bytes, as: UTF8.self)
        if let text, memchr(base, CInt(lead), bytes.count) == nil || isPlain(text) { return text }
        return repaired(bytes)
    }

    private static func repaired(_ bytes: UnsafeRawBufferPointer) -> String {
        var text = String.UnicodeScalarView()
        var index = 0
        while index < bytes.count {
            if let (scalar, length) = scalar(at: index, in: bytes), !scalars.contains(scalar) {
                text.append(scalar)
                index += length
            } else {
                // The byte is 0x80 or more; a smaller one is a scalar by itself.
                text.append(Unicode.Scalar(0x10FF00 + UInt32(bytes[index]))!)
                index += 1
            }
        }
        return String(text)
    }

    /// Returns the scalar whose UTF-8 begins at the index; nil if none does.
    private static func scalar(at index: Int, in bytes: UnsafeRawBufferPointer) -> (Unicode.Scalar, length: Int)? {
        let length =
            switch bytes[index] {
            case ..<0x80: 1
            case ..<0xE0: 2
            case ..<0xF0: 3
            default: 4
            }
        guard index + length <= bytes.count else { return nil }
        var decoder = UTF8()
        var iterator = UnsafeRawBufferPointer(rebasing: bytes[index..<index + length]).makeIterator()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return nil }
        // A shorter scalar means that the first byte promised more bytes than follow.
        return UTF8.width(scalar) == length ? (scalar, length) : nil
    }
}
