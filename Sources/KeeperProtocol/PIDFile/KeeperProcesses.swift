package import UVLoop

/// Which processes are keepers, of whatever session in whatever directory.
///
/// A keeper that was started from inside a session is below that session's keeper in the tree of processes, and is not part
/// of it.
package enum KeeperProcesses {
    /// True if a process is a keeper of ours: it holds a lock on a keeper's pid file. The name of its program says nothing, nor
    /// does an open file alone: a server that writes lines has such files open.
    ///
    /// - Throws: a shortage of descriptors or memory, and then it cannot be told.
    package static func contain(_ pid: Int32) throws(UVError) -> Bool {
        try !Processes.lockedFiles(of: pid, where: KeeperPaths.isKeeperPIDFile(openAs:)).isEmpty
    }
}
