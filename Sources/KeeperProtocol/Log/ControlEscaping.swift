internal import UVLoop

/// Makes text from outside safe to print on one line: in a log, in an error, on a terminal.
package enum ControlEscaping {
    /// The text with the raw bytes of ``RawText`` escaped, and nothing else, for output that another program reads.
    package static func escapingRawBytes(_ text: String, backslash: String = "\\") -> String {
        guard !RawText.isPlain(text) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if RawText.scalars.contains(scalar) {
                result += rawByte(scalar, backslash)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The readable form of a raw byte: `\xE9` for the scalar that stands for the byte 0xE9.
    private static func rawByte(_ scalar: Unicode.Scalar, _ backslash: String = "\\") -> String {
        backslash + "x" + String(scalar.value & 0xFF, radix: 16, uppercase: true)
    }

    /// Writes `text` to `output` with everything that could break a line or drive a terminal escaped: C0 and C1
    /// controls, delete, the Unicode line and paragraph separators, and what turns the direction of the text after it.
    /// The escapes are `\n`, `\r`, `\t` and `\u{1b}`, and `\xE9` for a byte that is no UTF-8 (see ``RawText``). A
    /// backslash stays as it is, because Windows paths and JSON must remain readable: the result is for people and
    /// cannot be turned back into `text`.
    package static func append(_ text: some StringProtocol, to output: inout String) {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: output += "\\n"
            case 0x0D: output += "\\r"
            case 0x09: output += "\\t"
            case 0x00...0x1F, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069:
                output += "\\u{\(String(scalar.value, radix: 16))}"
            case RawText.scalars.lowerBound.value...RawText.scalars.upperBound.value: output += rawByte(scalar)
            default: output.unicodeScalars.append(scalar)
            }
        }
    }
}
