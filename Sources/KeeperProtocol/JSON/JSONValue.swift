internal import UVLoop

/// A JSON value, of which the channel's messages and the record are made.
///
/// Numbers are whole, from 0 to ``largestNumber``, which every language reads exactly. An object keeps the order of its
/// members, and has no two of the same name. Strings are compared by their bytes.
package indirect enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(Int)
    case string(String)
    case array([JSONValue])
    case object([Member])

    package struct Member: Hashable, Sendable {
        package let name: String
        package let value: JSONValue

        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }

        package static func == (one: Member, other: Member) -> Bool {
            one.name.utf8.elementsEqual(other.name.utf8) && one.value == other.value
        }

        package func hash(into hasher: inout Hasher) {
            hasher.combine(ByteText(name))
            hasher.combine(value)
        }
    }

    package static func == (one: JSONValue, other: JSONValue) -> Bool {
        switch (one, other) {
        case (.null, .null): true
        case (.bool(let one), .bool(let other)): one == other
        case (.number(let one), .number(let other)): one == other
        case (.string(let one), .string(let other)): one.utf8.elementsEqual(other.utf8)
        case (.array(let one), .array(let other)): one == other
        case (.object(let one), .object(let other)): one == other
        case (.null, _), (.bool, _), (.number, _), (.string, _), (.array, _), (.object, _): false
        }
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(encoded) }

    /// The largest number of the protocol: 15 digits.
    package static let largestNumber = 999_999_999_999_999

    /// The value of an object's member; nil if there is no such member, or the value is no object.
    package subscript(name: String) -> JSONValue? { members?.first { $0.name.utf8.elementsEqual(name.utf8) }?.value }

    package var members: [Member]? { if case .object(let members) = self { members } else { nil } }

    package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }

    package var text: String? { if case .string(let text) = self { text } else { nil } }

    package var number: Int? { if case .number(let number) = self { number } else { nil } }

    package var flag: Bool? { if case .bool(let flag) = self { flag } else { nil } }

    package var isNull: Bool { if case .null = self { true } else { false } }

    // MARK: Text

    /// Reads a single value, with nothing but white space around it.
    ///
    /// - Parameter depth: the most arrays and objects within each other.
    /// - Throws: ``JSONError`` with the offset of the first byte that does not fit.
    package init(_ text: UnsafeRawBufferPointer, depth: Int = 4) throws(JSONError) {
        var reader = JSONReader(text, depth: depth)
        self = try reader.document()
    }

    package init(_ text: [UInt8], depth: Int = 4) throws(JSONError) {
        self = try text.span.bytes.withUnsafeBytes { (text) throws(JSONError) in try JSONValue(text, depth: depth) }
    }

    /// Adds the value's text, like `JSON.stringify`: no white space, and only `"`, `\` and characters below U+0020
    /// escaped, in the short form if there is one.
    package func append(to json: inout [UInt8]) {
        switch self {
        case .null: json += "null".utf8
        case .bool(let flag): json += (flag ? "true" : "false").utf8
        case .number(let number): json += String(number).utf8
        case .string(let text): JSONValue.append(text, to: &json)
        case .array(let elements):
            json.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                element.append(to: &json)
            }
            json.append(UInt8(ascii: "]"))
        case .object(let members):
            json.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                JSONValue.append(member.name, to: &json)
                json.append(UInt8(ascii: ":"))
                member.value.append(to: &json)
            }
            json.append(UInt8(ascii: "}"))
        }
    }

    /// The value's text.
    package var encoded: [UInt8] {
        var json: [UInt8] = []
        append(to: &json)
        return json
    }

    private static func append(_ text: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): json += "\\\"".utf8
            case UInt8(ascii: "\\"): json += "\\\\".utf8
            case 0x08: json += "\\b".utf8
            case 0x09: json += "\\t".utf8
            case 0x0A: json += "\\n".utf8
            case 0x0C: json += "\\f".utf8
            case 0x0D: json += "\\r".utf8
            case 0x00..<0x10: json += "\\u000\(String(byte, radix: 16))".utf8
            case 0x10..<0x20: json += "\\u00\(String(byte, radix: 16))".utf8
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral number: Int) { self = .number(number) }
    package init(booleanLiteral flag: Bool) { self = .bool(flag) }
    package init(nilLiteral: ()) { self = .null }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral members: (String, JSONValue)...) { self = .object(members.map(Member.init)) }

    package init(_ text: String?) { self = text.map { .string($0) } ?? .null }
    package init(_ number: Int?) { self = number.map { .number($0) } ?? .null }
    /// A number larger than ``largestNumber`` becomes the largest.
    package init(_ number: UInt64) { self = .number(Int(min(number, UInt64(JSONValue.largestNumber)))) }
    package init(_ strings: [String]) { self = .array(strings.map { .string($0) }) }
}

/// The reason why a text is not valid JSON for the protocol.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The offset of the first byte that does not fit.
    package let offset: Int
    package let reason: String

    package var description: String { "\(reason) at byte \(offset) of the JSON" }
}
