public import UVKeeper

/// An event for a host that counts and times: see ``Keepers/Options/onMeasurement``.
public enum KeeperMeasurement: Sendable {
    /// A line has its outcome, this long after it was written.
    case line(WriteOutcome, after: Duration)
    /// A question has its answer, or has failed, this long after it was asked.
    case answer(RequestError?, after: Duration)
    /// A session was adopted or started, or has ended.
    case session(KeeperEvent)
}
