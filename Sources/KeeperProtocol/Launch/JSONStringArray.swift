/// JSON arrays of strings: the form in which a command line travels in an environment variable.
///
/// Just enough of JSON that neither side needs Foundation. There is no limit but memory; environments are small.
public enum JSONStringArray {
    /// The strings in `text`, or nil if it is anything but one array of strings in strict JSON (RFC 8259).
    ///
    /// Accepts what `JSON.parse` accepts: white space around every token, all escapes, surrogate pairs. Nil for a byte
    /// order mark, a raw control character in a string, a trailing comma, anything after the array, and any element
    /// that is not a string. Nil too for an escaped surrogate without its partner, which JavaScript would let pass: it
    /// has no UTF-8 and could not be handed to a program.
    public static func decode(_ text: String) -> [String]? {
        var reader = JSONStringArrayReader(text)
        return reader.array()
    }

    /// `strings` as JSON, byte for byte what `JSON.stringify` gives: no white space, and only `"`, `\` and characters
    /// below U+0020 escaped, with the short form where there is one.
    public static func encode(_ strings: [String]) -> String {
        var json: [UInt8] = [UInt8(ascii: "[")]
        for (index, string) in strings.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            json.append(UInt8(ascii: "\""))
            for byte in string.utf8 { append(byte, to: &json) }
            json.append(UInt8(ascii: "\""))
        }
        json.append(UInt8(ascii: "]"))
        return String(decoding: json, as: UTF8.self)
    }

    private static func append(_ byte: UInt8, to json: inout [UInt8]) {
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
}
