/// A line of a child's output.
public struct KeptLine: Hashable, Sendable, CustomStringConvertible {
    /// The offset of the line's first byte in its stream.
    public let offset: UInt64
    /// The line's bytes, without the newline.
    public let bytes: [UInt8]
    /// The offset of the byte after the line and its newline: a reader that has dealt with the line goes on there.
    public let end: UInt64
    /// True if bytes right before the line are gone: the line may be the rest of a longer one.
    public let followsGap: Bool

    package init(offset: UInt64, bytes: [UInt8], end: UInt64, followsGap: Bool) {
        self.offset = offset
        self.bytes = bytes
        self.end = end
        self.followsGap = followsGap
    }

    /// The line as text; invalid UTF-8 is replaced.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text.
    public var description: String { text }
}
