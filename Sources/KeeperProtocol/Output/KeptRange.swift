/// Which bytes of a stream are kept: from `start` on, up to but not including `end`. Offsets count from the child's first
/// byte.
public struct KeptRange: Hashable, Sendable, Codable {
    /// The first byte that is kept; `end` if none is.
    public var start: UInt64
    /// How many bytes the stream has had.
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
