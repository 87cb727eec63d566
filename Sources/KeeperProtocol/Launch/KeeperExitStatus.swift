/// The outcome of a keeper, as its process exit status.
///
/// The reason is always in the keeper's log, and on stderr when there is no log.
public enum KeeperExitStatus: Int32, Sendable, CaseIterable {
    /// The child ended, in whatever way, or the keeper was told to stop by SIGTERM or SIGINT.
    case ended = 0

    /// The child could not be started, or ended within ``KeeperConstants/crashWindow``.
    case childFailed = 1

    /// The arguments are wrong, or the log, the directory, the socket or the pid file cannot be used.
    case badConfiguration = 2

    /// Another keeper holds this session.
    case sessionTaken = 3
}
