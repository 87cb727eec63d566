/// A stream that a child writes.
public enum ChildStream: String, Hashable, Sendable, CaseIterable, Codable, CustomStringConvertible {
    /// Standard output.
    case out
    /// Standard error.
    case err

    /// `out` or `err`, as in the protocol and in the names of segments.
    public var description: String { rawValue }
}
