extension Processes {
    /// The paths of those files that a process has open and holds a lock on through them. Empty if it is gone, somebody
    /// else's, or the system does not tell. A file that was opened under another name, or has none any more, has the name
    /// that the kernel gives it. Mirrors `/proc/<pid>/fd` and `/proc/<pid>/fdinfo`.
    ///
    /// - Parameter isMeant: the paths that are looked at.
    public static func lockedFiles(of pid: Int32, where isMeant: (String) -> Bool) -> [String] {
        #if os(Linux)
        guard ProcessDirectory.isOwn else { return [] }
        do throws(UVError) {
            let lock = Array("\nlock:".utf8)
            return try Files.names(inDirectory: "/proc/\(pid)/fd").compactMap { number in
                guard let target = Files.linkTarget("/proc/\(pid)/fd/\(number)"), isMeant(target) else { return nil }
                do throws(UVError) {
                    let info = try Files.read("/proc/\(pid)/fdinfo/\(number)", limit: 4096)
                    return info.indices.contains { info[$0...].starts(with: lock) } ? target : nil
                } catch {
                    return nil
                }
            }
        } catch {
            return []
        }
        #else
        return []
        #endif
    }
}
