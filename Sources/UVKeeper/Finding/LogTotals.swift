/// The logs of a sessions directory, as the last sweep found them: for monitoring, without a look at the disk for each request.
public struct LogTotals: Hashable, Sendable, Codable {
    /// How many logs there are.
    public var files = 0
    /// Bytes that they have.
    public var bytes: UInt64 = 0
    /// The most that one of them has.
    public var largest: UInt64 = 0
    /// Bytes that all sweeps of this manager have cut.
    public var reclaimed: UInt64 = 0
}
