import UVKeeper

/// One life of a session: a keeper and a child.
final class Life {
    let receipts: Receipts
    let keeper: SpawnedKeeper?
    let keeperPID: Int32
    /// Nil if it had ended before it could be looked at, or the system does not tell.
    private let keeperIdentity: ProcessIdentity?
    /// Its child ran, but the start failed: what it has received counts, and nobody writes to it any more.
    let hasFailed: Bool
    /// By its server; anything else that ends it is a fault.
    var wasToldToEnd = false
    /// Its pid file says something else by now; a keeper that ends need not take it for its own.
    var isPIDFileGarbled = false
    /// What its end was said to be; nil before it, and if another process started it.
    var end: LifeEnd?
    /// What clients of its channel got as `exit`.
    var exitMessages: [String] = []
    /// Names of clients of its channel, with the number of their last line that was acknowledged.
    var clients: [String: Int] = [:]
    /// True if it was told to end when it could open nothing more, so that it may not have been able to say how it ended.
    var couldNotOpen = false
    /// True if it has been looked at what it left.
    var isInspected = false

    init(_ receipts: Receipts, keeper: SpawnedKeeper?, keeperPID: Int32, hasFailed: Bool = false) {
        self.receipts = receipts
        self.keeper = keeper
        self.keeperPID = keeperPID
        keeperIdentity = keeperPID > 1 ? ProcessIdentity(of: keeperPID) : nil
        self.hasFailed = hasFailed
    }

    /// How its keeper has ended; nil if it has not, or was started by another process.
    var keeperExit: ProcessExit? { keeper?.exitStatus }

    var childPID: Int32 { Int32(truncatingIfNeeded: receipts[.pid]) }

    /// True if the child has ended, also if another process has its number by now: thousands are started in a run.
    var isChildGone: Bool {
        let (own, present) = (receipts[.startTime], Receipts.startTime(of: childPID))
        if own > 0, present > 0, own != present { return true }
        return Processes.liveness(of: childPID) == .gone
    }

    /// Its child, and what that was told to start, as far as they still run.
    var survivors: [Int32] {
        let other = Int32(truncatingIfNeeded: receipts[.grandchild])
        return (isChildGone ? [] : [childPID]) + (other > 0 && Processes.liveness(of: other) != .gone ? [other] : [])
    }

    /// True if neither keeper nor child is left, and the keeper's end has been seen.
    var isGone: Bool {
        if keeper?.isRunning == true { return false }
        let isKeeperGone = keeperIdentity.map { !$0.isRunning } ?? (Processes.liveness(of: keeperPID) == .gone)
        return isKeeperGone && isChildGone
    }
}
