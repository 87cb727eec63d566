public import UVKeeper

/// Something that has happened, for a host that counts and times: see ``Keepers/Options/onMeasurement``.
public enum KeeperMeasurement: Sendable {
    /// A line has its outcome, so long after it was written.
    case line(WriteOutcome, after: Duration)
    /// A question has its answer, or has failed, so long after it was asked.
    case answer(RequestError?, after: Duration)
    /// What has become of a session.
    case session(KeeperEvent)
}
