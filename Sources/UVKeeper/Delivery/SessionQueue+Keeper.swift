extension SessionQueue {
    /// True if the session is known to have no keeper.
    var isWithoutKeeper: Bool {
        guard let session else { return false }
        return !KeeperInspection.finding(session.id, paths: session.paths).mayLive
    }

    /// True if the session's keeper may be starting, and had no sockets yet.
    func isKeeperStarting(after error: KeeperError) -> Bool {
        guard let session else { return false }
        return KeeperInspection.mayBeStarting(session.id, after: error, paths: session.paths)
    }
}
