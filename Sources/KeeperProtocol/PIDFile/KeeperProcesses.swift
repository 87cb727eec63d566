package import UVLoop

/// The processes that are keepers, of whatever session in whatever directory.
///
/// A keeper started from inside a session is below that session's keeper in the tree of processes, but does not belong
/// to the session.
package enum KeeperProcesses {
    /// True if a process is one of our keepers: it holds a lock on a keeper's pid file. The name of its program proves
    /// nothing, nor does an open file alone: a server that writes lines has such files open.
    ///
    /// - Throws: a shortage of descriptors or memory, because of which the question cannot be answered.
    package static func contain(_ pid: Int32) throws(UVError) -> Bool {
        try !Processes.lockedFiles(of: pid, where: KeeperPaths.isKeeperPIDFile(openAs:)).isEmpty
    }
}
