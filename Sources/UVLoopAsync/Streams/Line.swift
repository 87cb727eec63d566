/// A line, without its newline.
public struct Line: Hashable, Sendable, CustomStringConvertible {
    /// The line's bytes.
    public let bytes: [UInt8]

    /// A line of these bytes.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The line as text; invalid UTF-8 is replaced.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text.
    public var description: String { text }
}
