internal import CLibUV

/// A directory, opened by a walk from the root that looks at every component of its path, as sshd's StrictModes does.
///
/// Users besides this one and root can change nothing on the way, nor in the directory, if ``exposure`` is nil: then its
/// path leads to it for everybody who walks later, too. The descriptor is the directory itself, whatever happens to its
/// path. Owners are judged by ``Processes/trusts(userID:)``; members of a directory's group are trusted.
public final class PrivateDirectory {
    /// The path that was walked.
    public let path: String
    /// The directory, for calls that begin at an open directory; it stays this object's. -1 if the walk ended before it, at
    /// an exposed component or because it is missing.
    public private(set) var descriptor: Int32 = -1
    /// How users besides this one, root and the group come to exchange it or what is in it, in words for an error that name
    /// the component; nil if they do not. A directory that everybody may write to is none on the way if it is sticky.
    public private(set) var exposure: String?

    /// The longest way through symbolic links, as the kernel's.
    private static let linkLimit = 40

    /// Opens the directory and judges it.
    ///
    /// - Throws: ``UVError/noEntry`` if there is none, ``UVError/notDirectory`` if something else is there or on the way,
    ///   ``UVError/symbolicLink`` for too many links, ``UVError/accessDenied``, ``UVError/tooManyOpenFiles`` and its like.
    public convenience init(_ path: String) throws(UVError) {
        try self.init(path, isMade: false)
    }

    /// The same; what is missing is made with mode 0700, whatever the umask is. Nothing is made in a directory that is
    /// exposed already. What root makes belongs to the owner of the directory it is made in, unless that is sticky, so that a
    /// user can use what root has made in the user's home.
    public convenience init(making path: String) throws(UVError) {
        try self.init(path, isMade: true)
    }

    deinit {
        if descriptor >= 0 { OwnedDescriptor(descriptor).close() }
    }

    /// Makes it the working directory of this process. Mirrors `fchdir(2)`.
    public func enter() throws(UVError) {
        guard descriptor >= 0 else { throw .notPermitted }
        try checkErrno(fchdir(descriptor))
    }

    private init(_ path: String, isMade: Bool) throws(UVError) {
        self.path = path
        guard !path.isEmpty else { throw .noEntry }
        guard !path.utf8.contains(0) else { throw .invalidArgument }
        let isAbsolute = path.utf8.first == UInt8(ascii: "/")
        // Those above the working directory count as well.
        var left = isAbsolute ? [] : PrivateDirectory.components(try LibUV.currentDirectory())
        left = PrivateDirectory.components(path) + left
        var links = 0
        try open("/", in: AT_FDCWD)
        var here = "/"
        judge(here, isLast: left.isEmpty)
        while exposure == nil, let name = left.popLast() {
            if let target = try link(name) {
                links += 1
                guard links <= PrivateDirectory.linkLimit else { throw .symbolicLink }
                guard exposure == nil else { break }
                left += PrivateDirectory.components(target)
                guard target.utf8.first == UInt8(ascii: "/") else { continue }
                here = "/"
                try open("/", in: AT_FDCWD)
            } else {
                try enter(name, isMade: isMade)
                here = here == "/" ? "/\(name)" : "\(here)/\(name)"
            }
            judge(here, isLast: left.isEmpty)
        }
        guard exposure != nil, descriptor >= 0, !left.isEmpty else { return }
        OwnedDescriptor(descriptor).close()
        descriptor = -1
    }

    /// The last comes first; empty ones and dots are left out.
    private static func components(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).reversed().map { String(Substring($0)) }.filter { $0 != "." }
    }

    private func open(_ name: String, in directory: CInt) throws(UVError) {
        let next = try checkErrno(RawText.withCString(name) { uvloop_open_directory_at(directory, $0) })
        if descriptor >= 0 { OwnedDescriptor(descriptor).close() }
        descriptor = next
    }

    /// Goes into a directory, which is made if it is missing and shall be.
    private func enter(_ name: String, isMade: Bool) throws(UVError) {
        do throws(UVError) {
            try open(name, in: descriptor)
        } catch .noEntry where isMade {
            let made = try RawText.withCString(name) { mkdirat(descriptor, $0, 0o700) }
            guard made == 0 || uvloop_errno() == EEXIST else { throw UVError(errno: uvloop_errno()) }
            // The umask may have taken the owner's own bits. Only trusted users can change the directory it was made in.
            if made == 0 { try checkErrno(RawText.withCString(name) { fchmodat(descriptor, $0, 0o700, 0) }) }
            let parent = try FileStatus(ofDescriptor: descriptor)
            try open(name, in: descriptor)
            // In a sticky directory everybody's own are beside each other.
            let isHome = parent.owner != 0 && parent.permissions & 0o1000 == 0
            guard made == 0, isHome, Processes.currentUserID == 0 else { return }
            // By descriptor: the owner may have put something else in its place. Where nothing can be given away, on another
            // machine's disk for instance, it stays root's.
            _ = uvloop_own_directory(descriptor, uid_t(parent.owner), gid_t(parent.group))
        }
    }

    /// The target of a symbolic link in the directory; nil if it is none. Its owner is judged.
    private func link(_ name: String) throws(UVError) -> String? {
        var status = stat()
        guard try RawText.withCString(name, { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            let error = UVError(errno: uvloop_errno())
            if error == .noEntry { return nil }
            throw error
        }
        guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFLNK) else { return nil }
        if !Processes.trusts(userID: status.st_uid) {
            exposure = "the symbolic link \(name) on the way to it belongs to user \(status.st_uid)"
        }
        return try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer throws(UVError) in
            let target = buffer.bindMemory(to: CChar.self)
            let count = try RawText.withCString(name) { readlinkat(descriptor, $0, target.baseAddress!, target.count) }
            guard count >= 0 else { throw UVError(errno: uvloop_errno()) }
            guard count < buffer.count else { throw .nameTooLong }
            return RawText.string(buffer[..<count])
        }
    }

    private func judge(_ component: String, isLast: Bool) {
        guard exposure == nil else { return }
        do throws(UVError) {
            let status = try FileStatus(ofDescriptor: descriptor)
            // Sticky: what stands there can be exchanged by its own owner only, who is judged next.
            let isOpen = status.permissions & 0o002 != 0 && (isLast || status.permissions & 0o1000 == 0)
            // In words only where there is something to say: every keeper comes this way.
            var mode: String { String(status.permissions, radix: 8) }
            var place: String { isLast ? "it" : "\(component), on the way to it," }
            // Whoever has the root is the system to this process, by whatever number a container shows that user.
            if component != "/", !Processes.trusts(userID: status.owner) {
                exposure = isLast ? "it belongs to user \(status.owner)" : "\(place) belongs to user \(status.owner)"
            } else if isOpen {
                exposure =
                    isLast
                    ? "everybody may write to it, its mode is \(mode)"
                    : "everybody may write to \(place) whose mode is \(mode)"
            } else if status.permissions & 0o020 != 0,
                let who = try AccessList(of: descriptor)?.strangerWhoMayWrite(besides: status.owner)
            {
                exposure = "\(who) may write to \(isLast ? "it" : place) by its access control list"
            }
        } catch {
            exposure = "\(component) cannot be looked at: \(error)"
        }
    }
}

@available(*, unavailable)
extension PrivateDirectory: Sendable {}

/// The users and groups beside a file's owner and group who have permissions of their own: a POSIX ACL. `stat(2)` shows the
/// most that any of them may do as the permissions of the group.
private struct AccessList {
    private struct Entry {
        let tag: UInt16
        let permissions: UInt16
        let id: UInt32
    }

    private static let write: UInt16 = 2
    private static let user: UInt16 = 0x02
    private static let group: UInt16 = 0x08
    private static let mask: UInt16 = 0x10

    private var entries: [Entry] = []

    /// Nil if there is none, or the file system keeps none.
    ///
    /// - Throws: why it cannot be told.
    init?(of directory: CInt) throws(UVError) {
        var failure: CInt = 0
        // As long as the kernel lets a list be. Nothing is filled with zeros: pages that no list has touched cost nothing, and
        // a keeper would keep them.
        let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            let length = uvloop_access_list(directory, buffer.baseAddress, buffer.count)
            failure = length < 0 ? uvloop_errno() : 0
            count = max(0, length)
        }
        guard failure == 0 else {
            if [ENODATA, ENOTSUP].contains(failure) { return nil }
            throw UVError(errno: failure)
        }
        // A version, then eight bytes for each entry.
        for start in stride(from: 4, through: bytes.count - 8, by: 8) {
            let number = { (offset: Int, length: Int) in
                (0..<length).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[start + offset + $1]) }
            }
            entries.append(
                Entry(tag: UInt16(number(0, 2)), permissions: UInt16(number(2, 2)), id: number(4, 4)))
        }
    }

    /// Somebody other than the owner, root and this user. Root trusts every owner, since it may use anybody's directory, and
    /// nobody whom an owner has let in.
    func strangerWhoMayWrite(besides owner: UInt32) -> String? {
        let mask = entries.first { $0.tag == AccessList.mask }?.permissions ?? .max
        for entry in entries where entry.permissions & mask & AccessList.write != 0 {
            switch entry.tag {
            case AccessList.user where ![0, owner, Processes.currentUserID].contains(entry.id):
                return "user \(entry.id)"
            case AccessList.group: return "group \(entry.id)"
            default: continue
            }
        }
        return nil
    }
}
