/// The name of a writer: 1 to 64 of `A-Z a-z 0-9 . _ -`, the first a letter or a digit.
public struct WriterName: Hashable, Sendable, CustomStringConvertible {
    /// The name as text.
    public let rawValue: String

    /// Nil if the text is no such name.
    public init?(_ text: String) {
        func isLetterOrDigit(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = text.utf8.first, isLetterOrDigit(first), text.utf8.count <= 64,
            text.utf8.allSatisfy({ isLetterOrDigit($0) || ".-_".utf8.contains($0) })
        else { return nil }
        rawValue = text
    }

    /// The name as text.
    public var description: String { rawValue }

    private static let passingPrefix = "m-"

    /// A name of one program's life, made of a random number: nobody comes back under it later, so that keepers forget it
    /// before others.
    package static func passing(random: UInt64) -> WriterName {
        // Every such text is a valid name.
        WriterName(passingPrefix + SessionRecord.epoch(random: random))!
    }

    package var isPassing: Bool {
        rawValue.hasPrefix(WriterName.passingPrefix)
            && SessionRecord.isEpoch(rawValue.dropFirst(WriterName.passingPrefix.count))
    }
}
