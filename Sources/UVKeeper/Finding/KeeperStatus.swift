public import KeeperProtocol
internal import UVLoop

/// The facts known about a session, for people and for monitoring.
public struct KeeperStatus: Hashable, Sendable, Codable {
    /// The state of keeper and child.
    public enum State: String, Hashable, Sendable, Codable {
        /// The keeper lives, and its session has not begun: it has no child yet, and nobody listens on its socket.
        case starting
        /// Keeper and child live.
        case live
        /// The keeper lives, but its child does not: the keeper is about to end, or frozen.
        case childDead = "child-dead"
        /// Files exist, but the keeper does not.
        case stale
        /// A process lives that cannot be shown to be the keeper; it is left alone.
        case undecided
    }

    /// The session's name.
    public let session: SessionID
    /// The state of keeper and child.
    public let state: State
    /// The keeper's pid, if it lives and the system tells.
    public let keeperPID: Int32?
    /// The child's pid, if a process is shown to be the child; for a stale session, whose keeper is dead, a child that
    /// runs on.
    public let childPID: Int32?
    /// The time for which the keeper has run; for a stale session, the time since its pid file was written.
    public var age: Duration? { ageSeconds.map { .seconds($0) } }
    private let ageSeconds: Double?
    /// Memory the keeper holds in RAM, in bytes.
    public let keeperMemory: UInt64?
    /// Memory the child holds in RAM, in bytes.
    public let childMemory: UInt64?
    /// The path of the keeper's socket.
    public let socketPath: String

    /// Nil if there is neither keeper nor file.
    init?(_ inspection: KeeperInspection, paths: KeeperPaths) {
        session = inspection.session
        childPID = inspection.child.pid
        socketPath = paths.socket(for: session)
        switch inspection.finding {
        case .live(let pid):
            state =
                inspection.child.isDead ? .childDead : inspection.isStarting(keptBy: pid, in: paths) ? .starting : .live
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
