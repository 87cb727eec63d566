package import UVLoop

/// A directory, opened by a walk from the root that looks at every component of its path, as sshd's StrictModes does.
///
/// Users besides this one and root can change nothing on the way, nor in the directory, if ``exposure`` is nil: then its
/// path leads to it for everybody who walks later, too. What was opened is the directory itself, whatever happens to its
/// path. Owners are judged by ``OwnerTrust/trusts(_:)``; members of a directory's group are trusted.
package final class PrivateDirectory {
    /// The path that was walked.
    package let path: String
    /// The directory; nil if the walk ended before it, at an exposed component.
    package private(set) var directory: OpenDirectory?
    /// How others come to exchange it or what is in it; nil if they do not. A directory that everybody may write to is none on
    /// the way if it is sticky.
    package private(set) var exposure: DirectoryExposure?

    /// The longest way through symbolic links, as the kernel's.
    private static let linkLimit = 40

    /// Opens the directory and judges it.
    ///
    /// - Throws: ``UVError/noEntry`` if there is none, ``UVError/notDirectory`` if something else is there or on the way,
    ///   ``UVError/symbolicLink`` for too many links, ``UVError/accessDenied``, ``UVError/tooManyOpenFiles`` and its like.
    package convenience init(_ path: String) throws(UVError) {
        try self.init(path, isMade: false)
    }

    /// The same; what is missing is made with mode 0700, whatever the umask is. Nothing is made in a directory that is
    /// exposed already. What root makes belongs to the owner of the directory it is made in, unless that is sticky, so that a
    /// user can use what root has made in the user's home.
    package convenience init(making path: String) throws(UVError) {
        try self.init(path, isMade: true)
    }

    /// Makes it the working directory of this process.
    ///
    /// - Throws: ``UVError/notPermitted`` for one that is exposed.
    package func enter() throws(UVError) {
        guard let directory, exposure == nil else { throw .notPermitted }
        try directory.enter()
    }

    private init(_ path: String, isMade: Bool) throws(UVError) {
        self.path = path
        guard !path.isEmpty else { throw .noEntry }
        guard !path.utf8.contains(0) else { throw .invalidArgument }
        let isAbsolute = path.utf8.first == UInt8(ascii: "/")
        // Those above the working directory count as well.
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
                    // Whatever it leads to is not looked at.
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

    /// The last comes first; empty ones and dots are left out.
    private static func components(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).reversed().map { String(Substring($0)) }.filter { $0 != "." }
    }

    /// Goes into a directory, which is made if it is missing.
    private static func made(_ name: String, in parent: OpenDirectory) throws(UVError) -> OpenDirectory {
        do throws(UVError) { return try parent.directory(name) } catch {
            guard error == .noEntry else { throw error }
        }
        var isNew = true
        do throws(UVError) { try parent.makeDirectory(name, permissions: 0o700) } catch {
            // Another process was faster.
            guard error == .exists else { throw error }
            isNew = false
        }
        let status = try parent.status()
        let directory = try parent.directory(name)
        // In a sticky directory everybody's own are beside each other.
        let isHome = status.owner != 0 && status.permissions & 0o1000 == 0
        guard isNew, isHome, CurrentProcess.userID == 0 else { return directory }
        do throws(UVError) {
            // By descriptor: the owner may have put something else in its place.
            try directory.setOwner(status.owner, group: status.group)
        } catch {
            // Where nothing can be given away, on another machine's disk for instance, it stays root's.
        }
        return directory
    }

    private func judge(_ directory: OpenDirectory, _ path: String, isLast: Bool) -> DirectoryExposure? {
        do throws(UVError) {
            let status = try directory.status()
            let component = isLast ? nil : path
            // Whoever has the root is the system to this process, by whatever number a container shows that user.
            if path != "/", !OwnerTrust.trusts(status.owner) { return .ownedBy(status.owner, component: component) }
            // Sticky: what stands there can be exchanged by its own owner only, who is judged next.
            if status.permissions & 0o002 != 0, isLast || status.permissions & 0o1000 == 0 {
                return .writableByEverybody(mode: status.permissions, component: component)
            }
            guard status.permissions & 0o020 != 0, let list = try directory.accessList() else { return nil }
            return stranger(in: list, besides: status.owner).map { .writableByList($0, component: component) }
        } catch {
            return .unknown(error, component: path)
        }
    }

    /// Somebody who may write, other than the owner, root and this user. Root trusts every owner, since it may use anybody's
    /// directory, and nobody whom an owner has let in.
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
