/// The logs of a sessions directory, as the last sweep found them: for monitoring, which need not look at the disk for
/// each request.
public struct LogTotals: Hashable, Sendable, Codable {
    /// The number of logs.
    public var files = 0
    /// The bytes of all logs.
    public var bytes: UInt64 = 0
    /// The bytes of the largest log.
    public var largest: UInt64 = 0
    /// The bytes that all sweeps of this manager have cut.
    public var reclaimed: UInt64 = 0
}
