internal import UVLoop

/// Which processes are keepers, of whatever session in whatever directory.
///
/// A keeper that was started from inside a session is below that session's keeper in the tree of processes, and is not part
/// of it.
package enum KeeperProcesses {
    /// Whether a process is a keeper of ours: it holds its pid file open. The name of its program says nothing.
    package static func contain(_ pid: Int32) -> Bool {
        Processes.openFiles(of: pid)?.contains(where: KeeperPaths.isKeeperPIDFile(openAs:)) == true
    }
}
