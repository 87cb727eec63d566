package import UVLoop

/// A directory, opened by a walk from the root that checks every component of its path, as sshd's StrictModes does.
///
/// If ``exposure`` is nil, users other than this one and root can change nothing on the way to the directory nor in it,
/// so its path leads there for every later walk too. The opened directory stays the same whatever happens to its path.
/// Owners are judged by ``OwnerTrust/trusts(_:)``; members of a directory's group are trusted.
package final class PrivateDirectory {
    /// The path walked.
    package let path: String
    /// The directory; nil if the walk ended at an exposed component before it.
    package private(set) var directory: OpenDirectory?
    /// The way in which others can replace the directory or its contents; nil if they cannot. A directory on the way
    /// that everybody may write to is no exposure if it is sticky.
    package private(set) var exposure: DirectoryExposure?

    /// The most symbolic links followed, the same as the kernel's.
    private static let linkLimit = 40

    /// Opens the directory and judges it.
    ///
    /// - Throws: ``UVError/noEntry`` if the directory does not exist, ``UVError/notDirectory`` if something else is
    ///   there or on the way, ``UVError/symbolicLink`` for too many links, ``UVError/accessDenied``,
    ///   ``UVError/tooManyOpenFiles`` and its like.
    package convenience init(_ path: String) throws(UVError) {
        try self.init(path, isMade: false)
    }

    /// Opens and judges the directory; missing directories are made with mode 0700, whatever the umask is. No directory
    /// is made in an exposed one. A directory made by root is given to the owner of its parent, unless the parent is
    /// sticky, so that users can use directories that root made in their home.
    package convenience init(making path: String) throws(UVError) {
        try self.init(path, isMade: true)
    }

    /// Makes the directory this process's working directory.
    ///
    /// - Throws: ``UVError/notPermitted`` if the directory is exposed.
    package func enter() throws(UVError) {
        guard let directory, exposure == nil else { throw .notPermitted }
        try directory.enter()
    }

    private init(_ path: String, isMade: Bool) throws(UVError) {
        self.path = path
        guard !path.isEmpty else { throw .noEntry }
        guard !path.utf8.contains(0) else { throw .invalidArgument }
        let isAbsolute = path.utf8.first == UInt8(ascii: "/")
        // The components above the working directory are checked as well.
        var left = isAbsolute ? [] : PrivateDirectory.components(try CurrentProcess.workingDirectory())
        left = PrivateDirectory.components(path) + left
        var links = 0
        var place = try OpenDirectory.root()
        var here = "/"
        exposure = judge(place, here, isLast: left.isEmpty)
        while exposure == nil, let name = left.popLast() {
            if let link = try place.link(name) {
                links += 1
                guard links <= PrivateDirectory.linkLimit else { throw .symbolicLink }
                guard OwnerTrust.trusts(link.owner) else {
                    exposure = .linkOwnedBy(link.owner, name: name)
                    // The target of such a link is not examined.
                    left.append(name)
                    break
                }
                left += PrivateDirectory.components(link.target)
                if link.target.utf8.first == UInt8(ascii: "/") {
                    here = "/"
                    place = try OpenDirectory.root()
                }
            } else {
                place = try isMade ? PrivateDirectory.made(name, in: place) : place.directory(name)
                here = here == "/" ? "/\(name)" : "\(here)/\(name)"
            }
            exposure = judge(place, here, isLast: left.isEmpty)
        }
        directory = left.isEmpty ? place : nil
    }

    /// The components of a path, the last one first; empty ones and dots are left out.
    private static func components(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).reversed().map { String(Substring($0)) }.filter { $0 != "." }
    }

    /// Opens a directory, which is made if it is missing.
    private static func made(_ name: String, in parent: OpenDirectory) throws(UVError) -> OpenDirectory {
        do throws(UVError) { return try parent.directory(name) } catch {
            guard error == .noEntry else { throw error }
        }
        var isNew = true
        do throws(UVError) { try parent.makeDirectory(name, permissions: 0o700) } catch {
            // Another process made the directory first.
            guard error == .exists else { throw error }
            isNew = false
        }
        let status = try parent.status()
        let directory = try parent.directory(name)
        // A sticky directory holds the files of many users side by side, so its owner gets none of ours.
        let isHome = status.owner != 0 && status.permissions & 0o1000 == 0
        guard isNew, isHome, CurrentProcess.userID == 0 else { return directory }
        do throws(UVError) {
            // The owner is set by descriptor: the parent's owner may have put something else at the path.
            try directory.setOwner(status.owner, group: status.group)
        } catch {
            // The directory stays root's if the file system cannot change owners, on another machine's disk for
            // instance.
        }
        return directory
    }

    private func judge(_ directory: OpenDirectory, _ path: String, isLast: Bool) -> DirectoryExposure? {
        do throws(UVError) {
            let status = try directory.status()
            let component = isLast ? nil : path
            // The owner of the root directory is the system to this process, whatever number a container shows for that
            // user.
            if path != "/", !OwnerTrust.trusts(status.owner) { return .ownedBy(status.owner, component: component) }
            // An entry of a sticky directory can be replaced only by the entry's owner, who is judged next.
            if status.permissions & 0o002 != 0, isLast || status.permissions & 0o1000 == 0 {
                return .writableByEverybody(mode: status.permissions, component: component)
            }
            guard status.permissions & 0o020 != 0, let list = try directory.accessList() else { return nil }
            return stranger(in: list, besides: status.owner).map { .writableByList($0, component: component) }
        } catch {
            return .unknown(error, component: path)
        }
    }

    /// An entry that lets somebody other than the owner, root and this user write. Root trusts every owner, since it
    /// may use anybody's directory, but nobody whom an owner has let in.
    private func stranger(in list: AccessList, besides owner: UInt32) -> AccessList.Holder? {
        list.entries.first { entry in
            guard entry.mayWrite else { return false }
            return switch entry.holder {
            case .user(let id): ![0, owner, CurrentProcess.userID].contains(id)
            case .group: true
            }
        }?.holder
    }
}

@available(*, unavailable)
extension PrivateDirectory: Sendable {}
