public import KeeperProtocol
internal import UVLoop

/// What is known of one session, for people and for monitoring.
public struct KeeperStatus: Hashable, Sendable, Codable {
    /// Whether there is a keeper, and a child.
    public enum State: String, Hashable, Sendable, Codable {
        /// Keeper and child live.
        case live
        /// The keeper lives, its child does not: it is about to end, or frozen.
        case childDead = "child-dead"
        /// The files are there, the keeper is not.
        case stale
        /// Something lives that cannot be shown to be the keeper; it is left alone.
        case undecided
    }

    /// The session.
    public let session: SessionID
    /// Its state.
    public let state: State
    /// The keeper's pid, if it lives and the system tells.
    public let keeperPID: Int32?
    /// The child's pid, if a process is shown to be the child; of a stale session, whose keeper is dead, one that runs on.
    public let childPID: Int32?
    /// How long the keeper has run; for a stale session, how long ago its pid file was written.
    public var age: Duration? { ageSeconds.map { .seconds($0) } }
    private let ageSeconds: Double?
    /// Memory the keeper holds in RAM, in bytes.
    public let keeperMemory: UInt64?
    /// Memory the child holds in RAM, in bytes.
    public let childMemory: UInt64?
    /// Where the keeper listens.
    public let socketPath: String

    /// Nil if there is neither keeper nor file.
    init?(_ inspection: KeeperInspection, paths: KeeperPaths) {
        session = inspection.session
        childPID = inspection.child.pid
        socketPath = paths.socket(for: session)
        switch inspection.finding {
        case .live(let pid):
            state = inspection.child.isDead ? .childDead : .live
            keeperPID = pid
        case .undecided(let pid):
            state = .undecided
            keeperPID = pid
        case .dead:
            state = .stale
            keeperPID = nil
        case .absent: return nil
        }
        let details = keeperPID.flatMap { ProcessDetails(of: $0) }
        let age =
            details.map { ProcessDetails.uptime - $0.startTime }
            ?? inspection.since.map { SystemClock.wallClockTime - $0 }
        ageSeconds = age.map { $0 / .seconds(1) }
        keeperMemory = details?.residentMemory
        childMemory = state == .live ? childPID.flatMap { ProcessDetails(of: $0)?.residentMemory } : nil
    }
}
