/// The members by which a JSON-RPC message is recognised: `id`, `method`, `result` and `error` of its outermost object. All
/// other members are skipped.
package struct MessageHead {
    /// The id as a program sees it, so that two spellings of an id are equal.
    package enum ID: Hashable {
        case string([UInt8])
        /// A number, as it is written.
        case number([UInt8])
    }

    package private(set) var id: ID?
    /// True for a message with a method: a request or a notification, and never an answer.
    package private(set) var hasMethod = false
    /// True if there is a result, which may be null.
    package private(set) var hasResult = false
    /// True if there is an error that is not null.
    package private(set) var hasError = false
    /// True for an answer: either side chooses ids of its own for its requests, so that an id alone says nothing.
    package var isAnswer: Bool { !hasMethod && (hasResult || hasError) }

    /// Nil if the line is found not to be a JSON object; the check is no full validation.
    package init?(_ line: some Collection<UInt8>) {
        var walk = JSONWalk(Array(line))
        guard walk.take(UInt8(ascii: "{")) else { return nil }
        if walk.take(UInt8(ascii: "}")) {
            guard walk.isAtEnd else { return nil }
            return
        }
        repeat {
            guard let name = walk.string(), walk.take(UInt8(ascii: ":")) else { return nil }
            switch name {
            case Array("id".utf8):
                if let text = walk.string() {
                    id = .string(text)
                } else if let number = walk.scalar() {
                    // The value null is no id.
                    id = number.first == UInt8(ascii: "n") ? nil : .number(number)
                } else {
                    return nil
                }
            case Array("error".utf8):
                hasError = !walk.isAtNull
                guard walk.skipValue() else { return nil }
            default:
                if name == Array("method".utf8) { hasMethod = true }
                if name == Array("result".utf8) { hasResult = true }
                guard walk.skipValue() else { return nil }
            }
        } while walk.take(UInt8(ascii: ","))
        guard walk.take(UInt8(ascii: "}")), walk.isAtEnd else { return nil }
    }
}

/// A cursor over JSON text.
private struct JSONWalk {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
    }

    /// True if only white space is left.
    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return position == bytes.count
        }
    }

    /// True if null comes next.
    var isAtNull: Bool {
        mutating get {
            skipSpace()
            return bytes[position...].starts(with: "null".utf8)
        }
    }

    /// Takes a byte, if it comes next.
    mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    /// The bytes of a string, escapes undone; nil if no string comes next, and then nothing is taken.
    mutating func string() -> [UInt8]? {
        let start = position
        guard take(UInt8(ascii: "\"")) else { return nil }
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"):
                guard let unit = escape() else {
                    position = start
                    return nil
                }
                text += unit
            default: text.append(byte)
            }
        }
        position = start
        return nil
    }

    private mutating func escape() -> [UInt8]? {
        guard position < bytes.count else { return nil }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "f"): return [12]
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "u"):
            guard let first = codeUnit() else { return nil }
            var units = [first]
            if (0xD800..<0xDC00).contains(first), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                guard let second = codeUnit() else { return nil }
                units.append(second)
            }
            return Array(String(decoding: units, as: UTF16.self).utf8)
        default: return [byte]
        }
    }

    private mutating func codeUnit() -> UInt16? {
        guard position + 4 <= bytes.count else { return nil }
        defer { position += 4 }
        return UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    }

    /// A number, true, false or null; nil if none comes next.
    mutating func scalar() -> [UInt8]? {
        skipSpace()
        let start = position
        while position < bytes.count, !" \t\r\n,]}:\"[{".utf8.contains(bytes[position]) { position += 1 }
        return position > start ? Array(bytes[start..<position]) : nil
    }

    /// Skips any value, however deep.
    mutating func skipValue() -> Bool {
        var depth = 0
        repeat {
            skipSpace()
            guard position < bytes.count else { return false }
            switch bytes[position] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { return false }
                depth -= 1
                position += 1
            case UInt8(ascii: "\""):
                guard string() != nil else { return false }
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { return false }
                position += 1
            default:
                guard scalar() != nil else { return false }
            }
        } while depth > 0
        return true
    }
}
