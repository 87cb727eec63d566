/// The bytes of a stream that are kept: from `start` up to but not including `end`. Offsets count from the child's
/// first byte.
public struct KeptRange: Hashable, Sendable, Codable {
    /// The offset of the first byte that is kept; `end` if none is.
    public var start: UInt64
    /// The number of bytes that the stream has had.
    public var end: UInt64

    /// A range of bytes.
    public init(start: UInt64, end: UInt64) {
        self.start = start
        self.end = end
    }

    package var json: JSONValue { ["start": JSONValue(start), "end": JSONValue(end)] }

    package init?(_ json: JSONValue?) {
        guard let start = json?["start"]?.number, let end = json?["end"]?.number, start <= end else { return nil }
        self.init(start: UInt64(start), end: UInt64(end))
    }
}
