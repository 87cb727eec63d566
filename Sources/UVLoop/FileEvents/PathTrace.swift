internal import CLibUV

/// The directories through which the system finds a file, and the file itself: everything to watch for learning that
/// the path leads elsewhere.
///
/// Use: walk, watch, walk again. If both walks found the same, every change since the first watch is reported.
struct PathTrace: Sendable, Equatable {
    /// A directory on the way.
    struct Directory: Sendable, Hashable {
        let path: String
        let identity: FileIdentity
        /// The entry whose exchange would change the way: the last component, a symbolic link, an entry that is missing
        /// or no directory, or an entry of the last existing directory; nil for a directory whose own move is all that
        /// matters.
        let name: String?
    }

    /// The file at the path.
    enum End: Sendable, Equatable {
        /// The last component or a directory before it does not exist.
        case missing
        case file(FileIdentity, FileStatus.Kind)
        /// The file cannot be determined: a directory may not be searched, or links lead in a circle.
        case unknown(UVError)
    }

    private(set) var directories: [Directory] = []
    private(set) var end = End.missing
    /// The name of the file system if it reports no changes by other machines, or no changes at all; nil otherwise.
    private(set) var silentFileSystem: String?

    /// The number of links that the kernel follows.
    private static let linkLimit = 40

    /// Walks the path from the root. Blocks if the file system does.
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
        // The entry through which `here` was reached.
        var entry: Directory?
        while let name = left.popLast() {
            let next = here == "/" ? "/\(name)" : "\(here)/\(name)"
            let found: FileStatus
            do throws(UVError) {
                found = try Files.status(of: next, followingLinks: false)
            } catch {
                directories.append(Directory(path: here, identity: status.identity, name: name))
                // The directory `here` may itself be removed now, since it lacks the entry. Its removal is reported
                // only once no process has a file open that was in it, as this tail perhaps has (H96); its own entry is
                // therefore watched too.
                if let entry { directories.append(entry) }
                throw error
            }
            let target = found.kind == .symbolicLink ? Files.linkTarget(next) : nil
            let isObstacle = target == nil && found.kind != .directory
            let isWatchedByName = target != nil || left.isEmpty || isObstacle
            // The root cannot be moved.
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

    /// The components of a path, the last first, without empty ones and dots.
    private static func components(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).reversed().map { String(Substring($0)) }.filter { $0 != "." }
    }

    /// Returns the name of a file's file system if it does not report all changes of the file; nil if it does.
    static func silentFileSystem(of path: String) -> String? {
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

    /// File systems whose files are changed by other machines or by a program, by their `statfs(2)` numbers (H88: such
    /// changes are not reported).
    private static let silent: [UInt32: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB", 0x6573_5546: "FUSE", 0x0102_1997: "9P",
        0x00C3_6400: "Ceph", 0x5346_414F: "AFS", 0x6B41_4653: "AFS", 0x7375_7245: "Coda", 0x0116_1970: "GFS2",
        0x7461_636F: "OCFS2", 0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS", 0xBACB_ACBC: "VMware's",
        0x786F_4256: "VirtualBox's", 0x7C7C_6673: "Parallels'",
    ]
}
