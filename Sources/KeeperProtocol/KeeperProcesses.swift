internal import UVLoop

/// Which processes are keepers, of whatever session in whatever directory.
///
/// A keeper that was started from inside a session is below that session's keeper in the tree of processes, and is not part
/// of it.
package enum KeeperProcesses {
    /// True if a process is a keeper of ours: it holds a lock on a keeper's pid file. The name of its program says nothing, nor
    /// does an open file alone: a server that writes lines has such files open.
    package static func contain(_ pid: Int32) -> Bool {
        !Processes.lockedFiles(of: pid, where: KeeperPaths.isKeeperPIDFile(openAs:)).isEmpty
    }
}
