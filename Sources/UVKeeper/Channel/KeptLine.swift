/// One line of a child's output.
public struct KeptLine: Hashable, Sendable, CustomStringConvertible {
    /// The offset of its first byte in its stream.
    public let offset: UInt64
    /// Its bytes, without the newline.
    public let bytes: [UInt8]
    /// The offset of the byte behind it and its newline: where a reader that has dealt with it goes on.
    public let end: UInt64
    /// Bytes right before it are gone: it may be the rest of a longer line.
    public let followsGap: Bool

    package init(offset: UInt64, bytes: [UInt8], end: UInt64, followsGap: Bool) {
        self.offset = offset
        self.bytes = bytes
        self.end = end
        self.followsGap = followsGap
    }

    /// Its text; what is no UTF-8 is replaced.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text.
    public var description: String { text }
}
