import UVKeeper

/// A life of a session: a keeper and a child.
final class Life {
    let receipts: Receipts
    let keeper: SpawnedKeeper?
    let keeperPID: Int32
    /// The identity of the keeper; nil if it had ended before it was read, or the system does not tell.
    private let keeperIdentity: ProcessIdentity?
    /// True if the start failed although the child ran: the child's lines count, and no more are written to it.
    let hasFailed: Bool
    /// True if the server has told the keeper to end; any other end is a fault.
    var wasToldToEnd = false
    /// True once a fault has sent its keeper or child to its end: the load goes to the life after it.
    var isCondemned = false
    /// True if a fault has changed the pid file; an ending keeper need not take it for its own.
    var isPIDFileGarbled = false
    /// The reports of the end; nil before it, and if another process started the life.
    var end: LifeEnd?
    /// The content of `exit` messages that clients of its channel got.
    var exitMessages: [String] = []
    /// The clients of its channel by name, with the number of their last acknowledged line.
    var clients: [String: Int] = [:]
    /// True if the keeper was told to end when it could open nothing more, so that it may not have been able to record
    /// its end.
    var couldNotOpen = false
    /// True once its remains have been inspected.
    var isInspected = false
    /// The number of bytes of each stream, by the record of its end; nil if its keeper has written no record.
    var ends: [ChildStream: UInt64]?
    /// The bytes of each stream that its keeper could not write, by its status shortly before the end; nil if it was
    /// not asked.
    var lost: [ChildStream: UInt64]?

    init(_ receipts: Receipts, keeper: SpawnedKeeper?, keeperPID: Int32, hasFailed: Bool = false) {
        self.receipts = receipts
        self.keeper = keeper
        self.keeperPID = keeperPID
        keeperIdentity = keeperPID > 1 ? ProcessIdentity(of: keeperPID) : nil
        self.hasFailed = hasFailed
    }

    /// The exit of its keeper; nil if the keeper has not ended, or was started by another process.
    var keeperExit: ProcessExit? { keeper?.exitStatus }

    var childPID: Int32 { Int32(truncatingIfNeeded: receipts[.pid]) }

    /// True if the child has ended, even if another process has its number by now: a run starts thousands.
    var isChildGone: Bool {
        let (own, present) = (receipts[.startTime], Receipts.startTime(of: childPID))
        if own > 0, present > 0, own != present { return true }
        return Processes.liveness(of: childPID) == .gone
    }

    /// The child and the process that it was told to start, if they still run.
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
