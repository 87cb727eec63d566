/// One fault: what was done to whom, from when to when. What goes wrong meanwhile is explained by it.
final class FaultRecord {
    enum Kind: String, CaseIterable, Sendable {
        case keeperKilled = "keeper-killed"
        case keeperStopped = "keeper-stopped"
        case childKilled = "child-killed"
        case childStopped = "child-stopped"
        case slowReader = "slow-reader"
        case socketRemoved = "socket-removed"
        case socketReplaced = "socket-replaced"
        case pidFileGarbled = "pid-file-garbled"
        case staleFiles = "stale-files"
        case backlogOverflow = "backlog-overflow"
        case descriptorsExhausted = "descriptors-exhausted"
        case clientDisconnected = "client-disconnected"
        case serverKilled = "server-killed"
        /// Not injected: the machine kept the loop waiting.
        case machineStalled = "machine-stalled"
    }

    let kind: Kind
    /// Nil: everybody.
    let session: Int?
    /// Which life of the session was ended by it.
    let life: Int?
    /// In microseconds since the start of the run.
    let start: UInt64
    /// Nil while it lasts.
    var end: UInt64?
    /// What came of it.
    var note: String

    init(_ kind: Kind, session: Int?, life: Int? = nil, start: UInt64, end: UInt64? = nil, note: String = "") {
        self.kind = kind
        self.session = session
        self.life = life
        self.start = start
        self.end = end
        self.note = note
    }

    /// How long after its end a fault still explains an outcome: a line's attempts take up to 1.25 s, and may have waited
    /// for those of a line before it.
    static let aftermath: UInt64 = 3_000_000

    /// Whether it explains what happened to a session at a time.
    func explains(_ session: Int, at time: UInt64) -> Bool {
        guard self.session == nil || self.session == session, time >= start else { return false }
        guard let end else { return true }
        return time <= end + FaultRecord.aftermath
    }
}
