internal import UVLoop

/// The name of a session: the only key from which keeper and server derive every path they share.
///
/// An id has 1 to 128 bytes of `A-Z a-z 0-9 . _ -`, the first a letter or a digit. An id is thus always a plain file
/// name: it cannot leave the sessions directory, hide itself behind a dot, look like an option, or make a file name
/// longer than file systems allow. Ids are compared byte by byte: `a` and `A` are two sessions, but a caller that makes
/// ids must not rely on that if file names ignore case (macOS, Windows).
///
/// A literal such as `"demo"` is an id itself; one that breaks a rule is a mistake of the program, and traps. Text from
/// elsewhere goes through ``init(_:)``, which throws.
///
/// The original takes any text and joins it to a directory.
public struct SessionID: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The most bytes an id may have.
    public static let maximumLength = 128

    /// The id as text, exactly as it was given.
    public let rawValue: String

    /// Takes `text` as an id, unchanged.
    ///
    /// Fails with the first rule that `text` breaks, in this order: not empty, not too long, first character, all
    /// characters. The text is neither trimmed nor repaired.
    public init(_ text: String) throws(SessionIDError) {
        guard let first = text.utf8.first else { throw .empty }
        let count = text.utf8.count
        guard count <= Self.maximumLength else { throw .tooLong(byteCount: count) }
        guard Self.isLetterOrDigit(first) else { throw .badFirstCharacter }
        for (offset, byte) in text.utf8.enumerated() where !Self.isAllowed(byte) {
            throw .badCharacter(at: offset)
        }
        self.rawValue = text
    }

    /// An id written as a literal; Swift takes `SessionID("demo")` for a literal too.
    public init(stringLiteral literal: StaticString) {
        let text = literal.description
        do throws(SessionIDError) {
            self = try SessionID(text)
        } catch {
            trap("a literal is no session id: \(error.message(for: text))")
        }
    }

    /// The id as text.
    public var description: String { rawValue }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: isLetterOrDigit(byte)
        }
    }
}
