/// The reason why a text is not a session id.
///
/// A description says what is wrong and what is allowed. The refused text is only in ``message(for:)``, quoted so that
/// it cannot harm a log or a terminal.
public enum SessionIDError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text is empty.
    case empty
    /// The text has `byteCount` bytes of UTF-8, more than ``SessionID/maximumLength``.
    case tooLong(byteCount: Int)
    /// The first character is not an ASCII letter or digit.
    case badFirstCharacter
    /// The byte at this offset into the text's UTF-8, counted from 0, is not allowed.
    case badCharacter(at: Int)

    /// The mistake and the rule, in one line, starting with a lowercase letter.
    public var description: String {
        switch self {
        case .empty:
            "session id is empty; use 1 to \(SessionID.maximumLength) of \(Self.alphabet)"
        case .tooLong(let byteCount):
            "session id is \(byteCount) bytes long; at most \(SessionID.maximumLength) are allowed"
        case .badFirstCharacter:
            "session id must start with a letter (A-Z a-z) or a digit (0-9)"
        case .badCharacter(let offset):
            "session id has a character that is not allowed at offset \(offset); use only \(Self.alphabet)"
        }
    }

    /// The description followed by the refused text, quoted: one line, control characters escaped, cut off after 64
    /// characters.
    public func message(for text: String) -> String {
        var message = "\(description): \""
        ControlEscaping.append(String(String.UnicodeScalarView(text.unicodeScalars.prefix(64))), to: &message)
        message += text.unicodeScalars.count > 64 ? "\"..." : "\""
        return message
    }

    private static let alphabet = "A-Z a-z 0-9 . _ -"
}
