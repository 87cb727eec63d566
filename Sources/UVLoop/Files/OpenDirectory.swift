internal import CLibUV

/// An open directory. A look-up in it finds files of that directory, whatever happens to its path meanwhile. Closed at
/// the latest when it is released.
///
/// Opening needs no permission to read the directory where the system allows that (Linux).
public final class OpenDirectory {
    private var owned: OwnedDescriptor?

    /// The descriptor, for system calls that begin at a directory; this object closes it. -1 when closed.
    public var descriptor: Int32 { owned?.number ?? -1 }

    /// Opens the root.
    public static func root() throws(UVError) -> OpenDirectory { try OpenDirectory("/", in: AT_FDCWD) }

    /// Opens the working directory.
    public static func working() throws(UVError) -> OpenDirectory { try OpenDirectory(".", in: AT_FDCWD) }

    /// Opens a directory in this one; fails for a symbolic link. Mirrors `openat(2)`.
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

    /// Returns the system's description of the directory. Mirrors `uv_fs_fstat`.
    public func status() throws(UVError) -> FileStatus { try FileStatus(ofDescriptor: descriptor) }

    /// Returns the permissions beside those of owner, group and others; nil if there are none, or the file system keeps
    /// no such lists.
    ///
    /// - Throws: the error if they cannot be read.
    public func accessList() throws(UVError) -> AccessList? { try AccessList(of: descriptor) }

    /// Makes this directory the working directory of the process. Mirrors `fchdir(2)`.
    public func enter() throws(UVError) { try checkErrno(fchdir(descriptor)) }

    /// Makes a directory in this one with these permissions, whatever the umask is. Mirrors `mkdirat(2)`.
    ///
    /// - Throws: ``UVError/exists``, ``UVError/noSpace`` and their like.
    public func makeDirectory(_ name: String, permissions: UInt32) throws(UVError) {
        let mode = mode_t(permissions)
        try checkErrno(RawText.withCString(name) { mkdirat(descriptor, $0, mode) })
        // The umask may have removed bits, even the owner's.
        try checkErrno(RawText.withCString(name) { fchmodat(descriptor, $0, mode, 0) })
    }

    /// Gives the directory to another user and group. Mirrors `fchown(2)`.
    ///
    /// - Throws: ``UVError/notPermitted`` and its like.
    public func setOwner(_ user: UInt32, group: UInt32) throws(UVError) {
        try checkErrno(uvloop_own_directory(descriptor, uid_t(user), gid_t(group)))
    }

    /// Returns the target and the owner of a symbolic link in this directory; nil if the name does not exist, or is no
    /// link. Mirrors `readlinkat(2)`.
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
