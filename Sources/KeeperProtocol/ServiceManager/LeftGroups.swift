package import UVLoop

/// The control groups that sessions make in a delegated one (`PI_KEEPER_CGROUP`), and the removal of those that are
/// left. A group with a living process in it, or below, stays as it is.
package enum LeftGroups {
    /// The mount point of version 2's hierarchy; on hybrid hosts it lies beside those of version 1.
    package static var root: String? {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].first { Files.exists("\($0)/cgroup.procs") }
    }

    /// The name of the group of one life of a session.
    package static func name(_ session: String, _ epoch: String) -> String {
        "\(ScopeRequest.prefix)\(session)-\(epoch)"
    }

    /// Removes the group of a session that has ended. A group that was not made for this life of the session stays: the
    /// record then names another, or a scope.
    package static func remove(of record: SessionRecord) {
        guard let root, let path = record.controlGroup else { return }
        let components = path.split(separator: "/")
        guard path.utf8.first == UInt8(ascii: "/"), !components.contains(".."),
            components.last.map(String.init) == name(record.session, record.epoch)
        else { return }
        removeTree(root + path)
    }

    /// The age from which an empty group of a session counts as left by a keeper that was killed before it had a record;
    /// a younger one may be a keeper's that has not entered it yet.
    private static let leftAfter = Duration.seconds(60)

    /// Removes the groups that former keepers of a session have left in a delegated group.
    package static func removeFormer(of session: SessionID, in subtree: String) {
        let start = name(session.rawValue, "")
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

    /// The lines of a group's `cgroup.events`, a file that every group of version 2 but the root has, and no other
    /// directory.
    package static func events(of group: String) throws(UVError) -> [Substring] {
        String(decoding: try Files.read("\(group)/cgroup.events", limit: 4096), as: UTF8.self).split(separator: "\n")
    }
}
