internal import CLibUV

/// An open directory: what is looked up in it is in that directory, whatever happens to its path meanwhile. Closed at the
/// latest when it is released.
///
/// Opening one takes no permission to read it where the system can do without (Linux).
public final class OpenDirectory {
    private var owned: OwnedDescriptor?

    /// The descriptor, for system calls that begin at a directory; it stays this object's. -1 when closed.
    public var descriptor: Int32 { owned?.number ?? -1 }

    /// Opens the root.
    public static func root() throws(UVError) -> OpenDirectory { try OpenDirectory("/", in: AT_FDCWD) }

    /// Opens the working directory.
    public static func working() throws(UVError) -> OpenDirectory { try OpenDirectory(".", in: AT_FDCWD) }

    /// Opens a directory in this one, which must not be a symbolic link. Mirrors `openat(2)`.
    ///
    /// - Throws: ``UVError/noEntry``, ``UVError/notDirectory``, also for a symbolic link; ``UVError/accessDenied``,
    ///   ``UVError/tooManyOpenFiles`` and its like.
    public func directory(_ name: String) throws(UVError) -> OpenDirectory {
        try OpenDirectory(name, in: descriptor)
    }

    private init(_ name: String, in directory: CInt) throws(UVError) {
        owned = OwnedDescriptor(
            try checkErrno(RawText.withCString(name) { uvloop_open_directory_at(directory, $0) }))
    }

    deinit { close() }

    /// Closes the descriptor. Idempotent.
    public func close() { owned.take()?.close() }

    /// What the system knows of it. Mirrors `uv_fs_fstat`.
    public func status() throws(UVError) -> FileStatus { try FileStatus(ofDescriptor: descriptor) }

    /// Who may do what with it beside its owner, its group and everybody; nil if nobody may, or the file system keeps no such
    /// lists.
    ///
    /// - Throws: why it cannot be told.
    public func accessList() throws(UVError) -> AccessList? { try AccessList(of: descriptor) }

    /// Makes it the working directory of this process. Mirrors `fchdir(2)`.
    public func enter() throws(UVError) { try checkErrno(fchdir(descriptor)) }

    /// Makes a directory in this one with these permissions, whatever the umask is. Mirrors `mkdirat(2)`.
    ///
    /// - Throws: ``UVError/exists``, ``UVError/noSpace`` and their like.
    public func makeDirectory(_ name: String, permissions: UInt32) throws(UVError) {
        let mode = mode_t(permissions)
        try checkErrno(RawText.withCString(name) { mkdirat(descriptor, $0, mode) })
        // The umask may have taken the owner's own bits.
        try checkErrno(RawText.withCString(name) { fchmodat(descriptor, $0, mode, 0) })
    }

    /// Gives the directory to another user and group. Mirrors `fchown(2)`.
    ///
    /// - Throws: ``UVError/notPermitted`` and its like.
    public func setOwner(_ user: UInt32, group: UInt32) throws(UVError) {
        try checkErrno(uvloop_own_directory(descriptor, uid_t(user), gid_t(group)))
    }

    /// Where a symbolic link in this directory leads, and whose it is; nil if nothing has the name, or it is no link. Mirrors
    /// `readlinkat(2)`.
    public func link(_ name: String) throws(UVError) -> (target: String, owner: UInt32)? {
        var status = stat()
        guard try RawText.withCString(name, { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            let error = UVError(errno: uvloop_errno())
            if error == .noEntry { return nil }
            throw error
        }
        guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFLNK) else { return nil }
        let target = try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer throws(UVError) in
            let target = buffer.bindMemory(to: CChar.self)
            let count = try RawText.withCString(name) { readlinkat(descriptor, $0, target.baseAddress!, target.count) }
            guard count >= 0 else { throw UVError(errno: uvloop_errno()) }
            guard count < buffer.count else { throw .nameTooLong }
            return RawText.string(buffer[..<count])
        }
        return (target, UInt32(status.st_uid))
    }
}

@available(*, unavailable)
extension OpenDirectory: Sendable {}
