extension Processes {
    /// Returns the paths of files that a process has open and has locked through that descriptor. Empty if the process
    /// is gone, belongs to another user, or the system does not tell. If a file was opened under another name, or has
    /// lost its name, the path is the one that the kernel gives it. Mirrors `/proc/<pid>/fd` and `/proc/<pid>/fdinfo`.
    ///
    /// - Parameters:
    ///   - pid: the process.
    ///   - isMeant: true for the paths to look at.
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like, if a shortage of this process or the system leaves the
    ///   answer unknown.
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

    /// True if the descriptor holds a lock; false if it has been closed meanwhile.
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
