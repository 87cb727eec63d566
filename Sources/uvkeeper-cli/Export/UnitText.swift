/// The texts of systemd's unit files, escaped.
enum UnitText {
    /// The command of `ExecStart=`, without specifiers and variables.
    ///
    /// - Parameter argv: the command; its first string is an absolute path.
    static func command(_ argv: [String]) -> String {
        argv.enumerated().map { place, word in
            let isPlain = word.utf8.allSatisfy { byte in
                "/._-+=:,@".utf8.contains(byte) || UnicodeScalar(byte).properties.isAlphabetic && byte < 0x80
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            }
            // systemd looks for no variables in the first word.
            return isPlain && !word.isEmpty
                ? word : place == 0 ? quoted(word) : quoted(word).replacing("$", with: "$$")
        }.joined(separator: " ")
    }

    /// True if systemd takes the path as that of an executable. Mirrors systemd's `string_is_safe`.
    static func canStart(_ path: String) -> Bool {
        path.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && !"\"'\\".utf8.contains($0) }
    }

    /// True if systemd takes the text as a user's name or number, which it takes back no escapes in. Mirrors systemd's
    /// `valid_user_group_name`.
    static func isUser(_ text: String) -> Bool {
        guard (1...255).contains(text.utf8.count), text != ".", text != "..",
            text.utf8.allSatisfy({ (0x21..<0x7F).contains($0) && !"\\:/".utf8.contains($0) })
        else { return false }
        let isNumber = { (digits: Substring) in digits.utf8.allSatisfy { (0x30...0x39).contains($0) } }
        guard isNumber(text[...]) else { return text.utf8.first != UInt8(ascii: "-") || !isNumber(text.dropFirst()) }
        // The numbers that stand for no user, in 16 bits and in 32.
        return UInt32(text).map { "\($0)" == text && $0 != .max && $0 != 0xFFFF } ?? false
    }

    /// The bytes of a variable from which Linux starts no program with it: `NAME=value` and a zero.
    static let longestVariable = 131_072

    /// The bytes of a line from which systemd reads no unit with it.
    static let longestLine = 1_048_576

    /// The value of an `Environment=` line.
    static func variable(_ name: String, _ value: String) -> String { quoted("\(name)=\(value)") }

    /// The plain text after an equals sign, in which specifiers begin with a percent sign.
    static func value(_ text: String) -> String { escaped(text).replacing("%", with: "%%") }

    private static func quoted(_ text: String) -> String {
        "\"" + escaped(text).replacing("\"", with: "\\\"").replacing("%", with: "%%") + "\""
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result += "\\x" + (digits.count < 2 ? "0" : "") + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
