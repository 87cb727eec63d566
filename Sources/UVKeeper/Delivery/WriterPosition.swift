/// Where a writer goes on in a session.
public struct WriterPosition: Hashable, Sendable, Codable {
    /// The session's epoch that the numbers count in.
    public let epoch: String
    /// The highest number of a line that the keeper has taken; the next line is the one after it.
    public let last: UInt64
    /// The highest number of a line that the child's pipe has.
    public let acknowledged: UInt64
}
