/// Makes text from outside safe to print on one line: in a log, in an error, on a terminal.
package enum ControlEscaping {
    /// The scalars that stand for the bytes 0x80 to 0xFF where a text of the system is no UTF-8: those of UVLoop's `RawText`,
    /// which this module does not import.
    package static let rawBytes: ClosedRange<UInt32> = 0x10FF80...0x10FFFF

    /// For people: `\xE9` for the scalar that stands for 0xE9.
    private static func rawByte(_ scalar: Unicode.Scalar) -> String {
        "\\x" + String(scalar.value & 0xFF, radix: 16, uppercase: true)
    }

    /// How many bytes a text stands for: one for each of ``rawBytes``, else those of its UTF-8.
    package static func byteCount(of text: String) -> Int {
        // Each of them is four bytes of UTF-8, of which the first is 0xF4, as hardly any other scalar's.
        guard text.utf8.contains(0xF4) else { return text.utf8.count }
        return text.utf8.count - 3 * text.unicodeScalars.count { rawBytes.contains($0.value) }
    }

    /// With a text's ``rawBytes`` escaped and nothing else, for output that another program reads.
    package static func escapingRawBytes(_ text: String) -> String {
        guard text.utf8.contains(0xF4) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if rawBytes.contains(scalar.value) {
                result += rawByte(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Writes `text` to `output` with everything that could break a line or drive a terminal escaped: C0 and C1
    /// controls, delete, and the Unicode line and paragraph separators.
    ///
    /// The escapes are `\n`, `\r`, `\t` and `\u{1b}`, and `\xE9` for a byte that is no UTF-8 (``rawBytes``). A backslash stays as it is, because Windows paths and JSON must
    /// remain readable: the result is for people and cannot be turned back into `text`.
    package static func append(_ text: some StringProtocol, to output: inout String) {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: output += "\\n"
            case 0x0D: output += "\\r"
            case 0x09: output += "\\t"
            case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029:
                output += "\\u{\(String(scalar.value, radix: 16))}"
            case rawBytes: output += rawByte(scalar)
            default: output.unicodeScalars.append(scalar)
            }
        }
    }
}
