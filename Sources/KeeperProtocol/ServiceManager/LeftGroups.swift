package import UVLoop

/// The control groups that sessions make in a delegated one (`PI_KEEPER_CGROUP`), and the removal of those that are
/// left. A group with a living process in it, or below, stays as it is.
package enum LeftGroups {
    /// The mount point of version 2's hierarchy; on hybrid hosts it lies beside those of version 1. Nil if it is not
    /// mounted.
    package static var root: String? {
        if let usual = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].first(where: isGroup) { return usual }
        do throws(UVError) {
            let file = try OpenFile("/proc/self/mountinfo", .readOnly)
            defer { file.close() }
            // Another file system may be mounted above one of them.
            var found: String?
            try file.forEachLine { line in
                found = mountPoints(String(decoding: line, as: UTF8.self)).first(where: isGroup)
                return found == nil
            }
            return found
        } catch {
            return nil
        }
    }

    /// True if the directory has a file that groups of version 2 have, the root too, and no other directory.
    private static func isGroup(_ path: String) -> Bool { Files.exists("\(path)/cgroup.controllers") }

    /// The mount points of the whole hierarchy of version 2.
    ///
    /// - Parameter mounts: lines of `<id> <parent> <device> <root> <mount point> <options> ... - <type> <source> <options>`.
    static func mountPoints(_ mounts: String) -> [String] {
        mounts.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: false)
            guard let end = fields.firstIndex(of: "-"), end > 5, fields[(end + 1)...].first == "cgroup2",
                // A backslash begins an escape: a hierarchy at such a place is not found.
                fields[3] == "/", !fields[4].contains("\\")
            else { return nil }
            return String(fields[4])
        }
    }

    /// The name of the group of one life of a session.
    package static func name(_ session: String, _ epoch: String) -> String {
        "\(ScopeRequest.prefix)\(session)-\(epoch)"
    }

    /// Removes the group of a session that has ended, and those beside it of former lives of the session. A group that was
    /// not made for this life of the session stays: the record then names another, or a scope.
    package static func remove(of record: SessionRecord) {
        guard let path = record.controlGroup else { return }
        let components = path.split(separator: "/")
        guard path.utf8.first == UInt8(ascii: "/"), !components.contains(".."),
            components.last.map(String.init) == name(record.session, record.epoch), let root
        else { return }
        removeTree(root + path)
        if let subtree = Files.parent(of: root + path) { removeFormer(of: record.session, in: subtree) }
    }

    /// The age from which an empty group of a session counts as left, by a keeper that was killed before it had a record, or
    /// for a process that outlived the next start too; a younger one may be a keeper's that has not entered it yet.
    private static let leftAfter = Duration.seconds(60)

    /// Removes the groups that former keepers of a session have left in a delegated group.
    package static func removeFormer(of session: String, in subtree: String) {
        let start = name(session, "")
        do throws(UVError) {
            for name in try Files.names(inDirectory: subtree, startingWith: start)
            where SessionRecord.isEpoch(name.dropFirst(start.count)) {
                let path = "\(subtree)/\(name)"
                let age = SystemClock.wallClockTime - (try Files.status(of: path, followingLinks: false).modifiedAt)
                if age > leftAfter { removeTree(path) }
            }
        } catch {
            // The groups stay until a later start of the session.
        }
    }

    /// The deepest nesting of groups removed.
    private static let deepest = 32

    /// Removes a group and those that its processes have made below it.
    package static func removeTree(_ group: String) {
        if isEmpty(group) { removeTree(group, depth: 0) }
    }

    private static func removeTree(_ group: String, depth: Int) {
        guard depth < deepest else { return }
        do throws(UVError) {
            for name in try Files.names(inDirectory: group) {
                let path = "\(group)/\(name)"
                if try Files.status(of: path, followingLinks: false).kind == .directory {
                    removeTree(path, depth: depth + 1)
                }
            }
            try Files.removeDirectory(group)
        } catch {
            // The group is in use after all, or another user's.
        }
    }

    /// True if the directory is a control group of version 2, and no process is in it or below.
    private static func isEmpty(_ group: String) -> Bool {
        do throws(UVError) { return try events(of: group).contains("populated 0") } catch { return false }
    }

    /// The line of `cgroup.events` that a frozen group has.
    package static let frozen: Substring = "frozen 1"

    /// The lines of a group's `cgroup.events`, a file that every group of version 2 but the root has, and no other
    /// directory.
    package static func events(of group: String) throws(UVError) -> [Substring] {
        String(decoding: try Files.read("\(group)/cgroup.events", limit: 4096), as: UTF8.self).split(separator: "\n")
    }
}
