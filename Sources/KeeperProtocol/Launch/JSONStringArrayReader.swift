/// A cursor over JSON text; every method returns nil, for good, at the first byte that does not fit.
struct JSONStringArrayReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// The whole text as an array of strings.
    mutating func array() -> [String]? {
        skipWhiteSpace()
        guard take(UInt8(ascii: "[")) else { return nil }
        skipWhiteSpace()
        var strings: [String] = []
        if !take(UInt8(ascii: "]")) {
            repeat {
                skipWhiteSpace()
                guard let string = string() else { return nil }
                strings.append(string)
                skipWhiteSpace()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "]")) else { return nil }
        }
        skipWhiteSpace()
        return position == bytes.count ? strings : nil
    }

    private mutating func string() -> String? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        var content: [UInt8] = []
        while let byte = next() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: content, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escaped() else { return nil }
                content += UTF8.encode(scalar)!  // Every scalar has a UTF-8 form.
            case 0x00..<0x20: return nil
            default: content.append(byte)
            }
        }
        return nil
    }

    /// What follows a backslash.
    private mutating func escaped() -> Unicode.Scalar? {
        switch next() {
        case UInt8(ascii: "\""): "\""
        case UInt8(ascii: "\\"): "\\"
        case UInt8(ascii: "/"): "/"
        case UInt8(ascii: "b"): "\u{08}"
        case UInt8(ascii: "f"): "\u{0C}"
        case UInt8(ascii: "n"): "\n"
        case UInt8(ascii: "r"): "\r"
        case UInt8(ascii: "t"): "\t"
        case UInt8(ascii: "u"): unicodeEscape()
        default: nil
        }
    }

    /// What follows `\u`: four digits, or a high surrogate with a second escape for its low one.
    private mutating func unicodeEscape() -> Unicode.Scalar? {
        guard let unit = fourHexDigits() else { return nil }
        guard UTF16.isLeadSurrogate(unit) else { return Unicode.Scalar(unit) }
        guard
            take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")),
            let second = fourHexDigits(), UTF16.isTrailSurrogate(second)
        else { return nil }
        return Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
    }

    private mutating func fourHexDigits() -> UInt16? {
        var value: UInt16 = 0
        for _ in 0..<4 {
            switch next() {
            case let digit? where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit):
                value = value << 4 | UInt16(digit - UInt8(ascii: "0"))
            case let digit? where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit | 0x20):
                value = value << 4 | UInt16((digit | 0x20) - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }

    private mutating func skipWhiteSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func next() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }
}
