extension Processes {
    /// The paths of those files that a process has open and holds a lock on through them. Empty if it is gone, somebody
    /// else's, or the system does not tell. A file that was opened under another name, or has none any more, has the name
    /// that the kernel gives it. Mirrors `/proc/<pid>/fd` and `/proc/<pid>/fdinfo`.
    ///
    /// - Parameters:
    ///   - pid: the process.
    ///   - isMeant: the paths that are looked at.
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like, a shortage of this process or the system: it cannot be told.
    public static func lockedFiles(of pid: Int32, where isMeant: (String) -> Bool) throws(UVError) -> [String] {
        #if os(Linux)
        guard ProcessDirectory.isOwn else { return [] }
        do throws(UVError) {
            var locked: [String] = []
            for number in try Files.names(inDirectory: "/proc/\(pid)/fd") {
                guard let target = Files.linkTarget("/proc/\(pid)/fd/\(number)"), isMeant(target) else { continue }
                if try isLocked("/proc/\(pid)/fdinfo/\(number)") { locked.append(target) }
            }
            return locked
        } catch {
            if error.isShortage { throw error }
            return []
        }
        #else
        return []
        #endif
    }

    /// False also for a descriptor that has been closed meanwhile.
    private static func isLocked(_ information: String) throws(UVError) -> Bool {
        let lock = Array("\nlock:".utf8)
        do throws(UVError) {
            let bytes = try Files.read(information, limit: 4096)
            return bytes.indices.contains { bytes[$0...].starts(with: lock) }
        } catch {
            if error.isShortage { throw error }
            return false
        }
    }
}
