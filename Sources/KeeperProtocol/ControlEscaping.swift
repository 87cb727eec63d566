/// Makes text from outside safe to print on one line: in a log, in an error, on a terminal.
package enum ControlEscaping {
    /// Writes `text` to `output` with everything that could break a line or drive a terminal escaped: C0 and C1
    /// controls, delete, and the Unicode line and paragraph separators.
    ///
    /// The escapes are `\n`, `\r`, `\t` and `\u{1b}`. A backslash stays as it is, because Windows paths and JSON must
    /// remain readable: the result is for people and cannot be turned back into `text`.
    package static func append(_ text: some StringProtocol, to output: inout String) {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: output += "\\n"
            case 0x0D: output += "\\r"
            case 0x09: output += "\\t"
            case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029:
                output += "\\u{\(String(scalar.value, radix: 16))}"
            default: output.unicodeScalars.append(scalar)
            }
        }
    }
}
