internal import UVLoop

/// A cursor over strict JSON text (RFC 8259); every method throws at the first byte that does not fit.
///
/// The reader is stricter than the standard: no repeated member, no number with a sign, a fraction, an exponent or more
/// than 15 digits, no invalid UTF-8, and no escaped surrogate without its partner, which has no UTF-8 form.
struct JSONReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depthLeft: Int

    /// - Parameter bytes: valid as long as the reader.
    init(_ bytes: UnsafeRawBufferPointer, depth: Int) {
        self.bytes = bytes
        depthLeft = depth
    }

    /// The single value that the text consists of.
    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value()
        skipWhiteSpace()
        guard position == bytes.count else { throw error("something follows the value") }
        return value
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        skipWhiteSpace()
        switch peek {
        case UInt8(ascii: "{"): return try within { (reader) throws(JSONError) in try reader.object() }
        case UInt8(ascii: "["): return try within { (reader) throws(JSONError) in try reader.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case let digit? where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit): return .number(try number())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("the text ends too early")
        case UInt8(ascii: "-"): throw error("a number with a sign")
        default: throw error("no value begins like this")
        }
    }

    private mutating func within(
        _ body: (inout JSONReader) throws(JSONError) -> JSONValue,
    ) throws(JSONError) -> JSONValue {
        guard depthLeft > 0 else { throw error("too many levels") }
        depthLeft -= 1
        position += 1
        let value = try body(&self)
        depthLeft += 1
        return value
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        var members: [JSONValue.Member] = []
        // Names are kept in a set, so that the time for a long object does not grow with its square.
        var names: Set<ByteText> = []
        skipWhiteSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        repeat {
            skipWhiteSpace()
            guard peek == UInt8(ascii: "\"") else { throw error("a member's name is missing") }
            let start = position
            let name = try string()
            guard names.insert(ByteText(name)).inserted else {
                position = start
                throw error("a member is repeated")
            }
            skipWhiteSpace()
            guard take(UInt8(ascii: ":")) else { throw error("a colon is missing") }
            members.append(JSONValue.Member(name, try value()))
            skipWhiteSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw error("the end of an object is missing") }
        return .object(members)
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        var elements: [JSONValue] = []
        skipWhiteSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        repeat {
            elements.append(try value())
            skipWhiteSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw error("the end of an array is missing") }
        return .array(elements)
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for offset in 0..<word.utf8CodeUnitCount {
            guard take(word.utf8Start[offset]) else { throw error("no value is written like this") }
        }
        return value
    }

    private mutating func number() throws(JSONError) -> Int {
        let start = position
        var number = 0
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            guard position - start < 15 else { throw error("a number has more than 15 digits") }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
            position += 1
        }
        guard position - start == 1 || bytes[start] != UInt8(ascii: "0") else {
            position = start
            throw error("a number begins with 0")
        }
        switch peek {
        case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): throw error("a number is not whole")
        default: return number
        }
    }

    // MARK: Strings

    private mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        // Most strings have no escapes and are taken as they are.
        while let byte = peek {
            if byte == UInt8(ascii: "\"") {
                let text = try decoded(UnsafeRawBufferPointer(rebasing: bytes[start..<position]), from: start)
                position += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
            if byte < 0x20 { throw error("a control character in a string") }
            position += 1
        }
        throw error("the end of a string is missing")
    }

    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var content: [UInt8] = []
        content.reserveCapacity(position - start + 64)
        content += bytes[start..<position]
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return try decoded(content, from: start)
            case UInt8(ascii: "\\"): content += UTF8.encode(try escaped())!  // Every scalar has a UTF-8 form.
            case 0x00..<0x20:
                position -= 1
                throw error("a control character in a string")
            default: content.append(byte)
            }
        }
        throw error("the end of a string is missing")
    }

    private func decoded(_ bytes: some Collection<UInt8>, from start: Int) throws(JSONError) -> String {
        // Validation is generic code, whose memory a keeper would never give back, so ASCII text goes without.
        guard bytes.contains(where: { $0 >= 0x80 }) else { return String(decoding: bytes, as: UTF8.self) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JSONError(offset: start, reason: "bytes that are no UTF-8")
        }
        return text
    }

    /// The character of an escape, after its backslash.
    private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
        let byte = peek
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default:
            position -= 1
            throw error("an unknown escape")
        }
    }

    /// The character of an escape after `\u`: four digits, or a high surrogate followed by a second escape for the low
    /// one.
    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let unit = try fourHexDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard UTF16.isLeadSurrogate(unit), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw error("a surrogate without its partner")
        }
        let second = try fourHexDigits()
        guard UTF16.isTrailSurrogate(second),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
        else { throw error("a surrogate without its partner") }
        return scalar
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            switch peek {
            case let digit? where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit):
                value = value << 4 | UInt16(digit - UInt8(ascii: "0"))
            case let digit? where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit | 0x20):
                value = value << 4 | UInt16((digit | 0x20) - UInt8(ascii: "a") + 10)
            default: throw error("four hexadecimal digits are missing")
            }
            position += 1
        }
        return value
    }

    // MARK: Bytes

    private var peek: UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private mutating func skipWhiteSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private func error(_ reason: String) -> JSONError { JSONError(offset: position, reason: reason) }
}
