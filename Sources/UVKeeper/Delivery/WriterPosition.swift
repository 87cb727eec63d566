/// The position at which a writer goes on in a session.
public struct WriterPosition: Hashable, Sendable, Codable {
    /// The session's epoch in which the numbers count.
    public let epoch: String
    /// The highest sequence number that the keeper has taken; the next line is the one after it.
    public let last: UInt64
    /// The highest sequence number that is in the child's pipe.
    public let acknowledged: UInt64
}
