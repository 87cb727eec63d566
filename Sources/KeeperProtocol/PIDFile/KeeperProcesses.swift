package import UVLoop

/// The processes that are keepers, of whatever session in whatever directory.
///
/// A keeper started from inside a session is below that session's keeper in the tree of processes, but does not belong
/// to the session.
package enum KeeperProcesses {
    /// True if a process is known to be one of our keepers: it holds a lock on a keeper's pid file. The name of its
    /// program proves nothing, nor does an open file alone: a server that writes lines has such files open. A process
    /// that hides its files, as one of another user does, is one if it holds a lock at all.
    ///
    /// - Throws: a shortage of descriptors or memory, because of which the question cannot be answered.
    package static func contain(_ pid: Int32) throws(UVError) -> Bool {
        do throws(UVError) { return try holdLock(pid) } catch {
            if error.isShortage { throw error }
            return isHidden(error) && Processes.holdsWriteLock(pid) == true
        }
    }

    /// True unless a process is known to be no keeper: also if the system does not tell. Where it does not tell of locks,
    /// a process that hides its files is none if it leads no session (`setsid`): keepers are started detached.
    package static func mayContain(_ pid: Int32) -> Bool {
        do throws(UVError) { return try holdLock(pid) } catch {
            guard isHidden(error) else { return true }
            if let holdsLock = Processes.holdsWriteLock(pid) { return holdsLock }
            return ProcessDetails(of: pid).map { $0.session == pid } ?? true
        }
    }

    private static func isHidden(_ error: UVError) -> Bool { error == .accessDenied || error == .notPermitted }

    private static func holdLock(_ pid: Int32) throws(UVError) -> Bool {
        try !Processes.lockedFiles(of: pid, where: KeeperPaths.isKeeperPIDFile(openAs:)).isEmpty
    }
}
