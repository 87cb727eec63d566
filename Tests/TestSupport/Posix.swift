import Libc
import UVLoop

/// System calls that only tests need.
public enum Posix {
    /// Creates or replaces a file; mode 0600.
    public static func write(_ bytes: [UInt8], to path: String) throws {
        try Files.unlinkIfPresent(path)
        let file = try OpenFile(path, .createNew)
        defer { file.close() }
        try file.write(bytes)
    }

    /// Creates or replaces a file.
    public static func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

    /// Makes a symbolic link. Mirrors `symlink`.
    public static func makeSymbolicLink(at path: String, to target: String) throws {
        try check(symlink(target, path))
    }

    /// Makes a named pipe. Mirrors `mkfifo`.
    public static func makeNamedPipe(at path: String) throws { try check(mkfifo(path, 0o600)) }

    /// Removes an empty directory.
    public static func removeDirectory(_ path: String) throws { try check(rmdir(path)) }

    /// Changes the permissions of a file. Mirrors `chmod`.
    public static func setPermissions(_ permissions: UInt32, of path: String) throws {
        try check(chmod(path, mode_t(permissions)))
    }

    /// Changes the owner of a file. Mirrors `chown`.
    ///
    /// - Parameter group: nil leaves the group as it is.
    public static func setOwner(_ user: UInt32, _ group: UInt32? = nil, of path: String) throws {
        try check(chown(path, user, group ?? gid_t.max))
    }

    /// Sets the time of a file's last change. Mirrors `utimensat`.
    public static func setModificationTime(_ seconds: Int, of path: String) throws {
        let times = [timespec](repeating: timespec(tv_sec: seconds, tv_nsec: 0), count: 2)
        try check(utimensat(AT_FDCWD, path, times, 0))
    }

    /// Mounts a file system in memory.
    ///
    /// - Returns: false if that is not permitted.
    public static func mountMemory(at path: String, options: String, isReadOnly: Bool = false) -> Bool {
        #if os(Linux)
        return mount("none", path, "tmpfs", isReadOnly ? UInt(MS_RDONLY) : 0, options) == 0
        #else
        return false
        #endif
    }

    /// Detaches a file system from its directory, even if it is in use.
    public static func unmount(_ path: String) {
        #if os(Linux)
        _ = umount2(path, CInt(MNT_DETACH))
        #endif
    }

    /// True if this process runs as root.
    public static var isRoot: Bool { geteuid() == 0 }

    private static func check(_ result: CInt) throws {
        if result != 0 { throw UVError(rawValue: -errno) }
    }
}
