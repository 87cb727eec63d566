internal import CLibUV

/// The directories by which the system finds a file, and what it finds: everything that must be watched to learn that the
/// path has come to lead elsewhere.
///
/// Walk, watch, walk again: if both walks found the same, whatever changes from the first watch on is told.
struct PathTrace: Sendable, Equatable {
    /// One directory on the way.
    struct Directory: Sendable, Hashable {
        let path: String
        let identity: FileIdentity
        /// The entry whose exchange would change the way: the last component, a symbolic link, one that is missing or no
        /// directory, or the last directory that there is; nil for a directory that matters only in that it could itself be
        /// moved.
        let name: String?
    }

    /// What has the path.
    enum End: Sendable, Equatable {
        /// Nothing: the last component or a directory before it does not exist.
        case missing
        case file(FileIdentity, FileStatus.Kind)
        /// It cannot be told: a directory may not be searched, or links lead in a circle.
        case unknown(UVError)
    }

    private(set) var directories: [Directory] = []
    private(set) var end = End.missing
    /// Where nothing tells of what other machines do, or of anything: in words.
    private(set) var silentFileSystem: String?

    /// As many links as the kernel follows.
    private static let linkLimit = 40

    /// Walks from the root. Blocks where the file system does.
    init(_ path: String) {
        do throws(UVError) {
            end = try walk(path)
        } catch {
            end = error == .noEntry ? .missing : .unknown(error)
        }
        if case .file = end {
            silentFileSystem = PathTrace.silentFileSystem(of: path)
        } else if let last = directories.last {
            silentFileSystem = PathTrace.silentFileSystem(of: last.path)
        }
    }

    private mutating func walk(_ path: String) throws(UVError) -> End {
        var left = PathTrace.components(path)
        var links = 0
        var here = "/"
        var status = try Files.status(of: here)
        // The entry by which `here` was come to.
        var entry: Directory?
        while let name = left.popLast() {
            let next = here == "/" ? "/\(name)" : "\(here)/\(name)"
            let found: FileStatus
            do throws(UVError) {
                found = try Files.status(of: next, followingLinks: false)
            } catch {
                directories.append(Directory(path: here, identity: status.identity, name: name))
                // It may be removed now that it lacks the entry, and tells of that itself only when nobody has a file open
                // that was in it, as this tail perhaps has (H96).
                if let entry { directories.append(entry) }
                throw error
            }
            let target = found.kind == .symbolicLink ? Files.linkTarget(next) : nil
            let isObstacle = target == nil && found.kind != .directory
            let isWatchedByName = target != nil || left.isEmpty || isObstacle
            // The root is not moved.
            if isWatchedByName || here != "/" {
                directories.append(
                    Directory(path: here, identity: status.identity, name: isWatchedByName ? name : nil))
            }
            if let target {
                links += 1
                guard links <= PathTrace.linkLimit else { throw .symbolicLink }
                left += PathTrace.components(target)
                guard target.utf8.first == UInt8(ascii: "/") else { continue }
                here = "/"
                status = try Files.status(of: here)
                entry = nil
            } else if left.isEmpty {
                return .file(found.identity, found.kind)
            } else {
                guard !isObstacle else { throw .notDirectory }
                entry = Directory(path: here, identity: status.identity, name: name)
                here = next
                status = found
            }
        }
        return .file(status.identity, status.kind)
    }

    /// The last comes first; empty ones and dots are left out.
    private static func components(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).reversed().map { String(Substring($0)) }.filter { $0 != "." }
    }

    private static func silentFileSystem(of path: String) -> String? {
        #if os(Linux)
        do throws(UVError) {
            return silent[try RawText.withCString(path) { uvloop_file_system($0) }]
        } catch {
            return nil
        }
        #else
        return "this system"
        #endif
    }

    /// File systems whose files other machines change, or a program, by their numbers of `statfs(2)` (H88).
    private static let silent: [UInt32: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB", 0x6573_5546: "FUSE", 0x0102_1997: "9P",
        0x00C3_6400: "Ceph", 0x5346_414F: "AFS", 0x6B41_4653: "AFS", 0x7375_7245: "Coda", 0x0116_1970: "GFS2",
        0x7461_636F: "OCFS2", 0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS", 0xBACB_ACBC: "VMware's",
        0x786F_4256: "VirtualBox's", 0x7C7C_6673: "Parallels'",
    ]
}
