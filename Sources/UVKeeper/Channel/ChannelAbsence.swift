internal import KeeperProtocol
internal import UVLoop

/// The reason why a channel cannot be connected to, from the keeper and its record.
enum ChannelAbsence {
    /// No keeper lives: the rest of the session is in its files.
    case noKeeper
    /// The keeper is an original one, or older than the channel.
    case noChannel
    /// The keeper has told how the session ended. The process stays a moment for clients that still read, without a
    /// channel.
    case sessionEnded
    /// A keeper lives, or may: it is frozen or starting, or its socket was removed and may be made anew.
    case notReachable

    init(_ error: KeeperError, of session: SessionID, _ paths: KeeperPaths) {
        let finding = KeeperInspection.finding(session, paths: paths)
        guard finding.mayLive else {
            self = .noKeeper
            return
        }
        guard case .connection(_, .noEntry) = error, case .live(let pid) = finding else {
            self = .notReachable
            return
        }
        // Another keeper's record is a former life's: this one's has not come, or never will.
        if let record = SessionRecord(of: session, keptBy: pid, in: paths) {
            self = record.exit == nil ? .notReachable : .sessionEnded
        } else {
            // A keeper that is starting, and may wait for a control group, has no raw socket either.
            self = KeeperConnect.isPresent(paths.socket(for: session)) ? .noChannel : .notReachable
        }
    }
}
