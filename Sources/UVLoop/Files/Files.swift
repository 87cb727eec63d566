internal import CLibUV

/// File system calls with typed errors. A path with a zero byte is ``UVError/invalidArgument``. Each call does one
/// short operation on the calling thread; on a slow file system, call it within ``Loop/queueWork(_:completion:)``.
/// Mirrors the synchronous form of libuv's `uv_fs_*`.
public enum Files {
    /// Creates the directory and its missing parents, with these permissions whatever the umask; an existing directory
    /// counts as success, and keeps its permissions.
    ///
    /// - Throws: ``UVError/exists`` or ``UVError/notDirectory`` if a component of the path is no directory.
    public static func makeDirectory(at path: String, permissions: UInt32 = 0o700) throws(UVError) {
        do {
            try makeOneDirectory(at: path, permissions)
        } catch .noEntry {
            guard let parent = parent(of: path) else { throw .noEntry }
            try makeDirectory(at: parent, permissions: permissions)
            // The retry happens once: where nothing can be made, below /proc for instance, the error would come again
            // for ever.
            try makeOneDirectory(at: path, permissions)
        }
    }

    private static func makeOneDirectory(at path: String, _ permissions: UInt32) throws(UVError) {
        do {
            try request(path) { uv_fs_mkdir(nil, $0, $1, CInt(permissions), nil) }
        } catch .exists {
            guard try status(of: path).kind == .directory else { throw .exists }
            return
        }
        // Links are not followed: another user may have put one in the directory's place.
        let made = try status(of: path, followingLinks: false)
        guard made.kind == .directory else { throw .notDirectory }
        // The umask may have removed any bit, even the owner's; nobody could use the directory then.
        if made.permissions & 0o777 != permissions { try setPermissions(permissions, of: path) }
    }

    /// Sets the mode of a file, whatever the umask. Mirrors `chmod(2)`.
    public static func setPermissions(_ permissions: UInt32, of path: String) throws(UVError) {
        try checkErrno(try RawText.withCString(path) { chmod($0, mode_t(permissions)) })
    }

    /// Returns the system's description of the file. Mirrors `uv_fs_stat` and `uv_fs_lstat`.
    ///
    /// - Parameters:
    ///   - path: the file, or the directory.
    ///   - followingLinks: false to describe a symbolic link itself, not its target.
    public static func status(of path: String, followingLinks: Bool = true) throws(UVError) -> FileStatus {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        try check(
            try RawText.withCString(path) {
                followingLinks ? uv_fs_stat(nil, &request, $0, nil) : uv_fs_lstat(nil, &request, $0, nil)
            }
        )
        return FileStatus(request.statbuf)
    }

    /// Gives the file another name in one step, replacing any file of that name. Mirrors `uv_fs_rename`.
    public static func rename(_ path: String, to newPath: String) throws(UVError) {
        try request(path, newPath) { uv_fs_rename(nil, $0, $1, $2, nil) }
    }

    /// Gives the file another name in one step; fails with ``UVError/exists`` if something has that name. Mirrors
    /// `renameat2(2)` with RENAME_NOREPLACE.
    ///
    /// A file system without such a thing links the file and removes its former name, in two steps.
    public static func rename(_ path: String, toNew newPath: String) throws(UVError) {
        guard try !rename(path, newPath, UVLOOP_RENAME_NEW) else { return }
        try link(path, to: newPath)
        try unlink(path)
    }

    /// Gives two files each other's names in one step; fails with ``UVError/noEntry`` if there are not two. Mirrors
    /// `renameat2(2)` with RENAME_EXCHANGE.
    ///
    /// - Returns: false if the file system has no such thing, and then nothing was done.
    public static func exchange(_ path: String, with other: String) throws(UVError) -> Bool {
        try rename(path, other, UVLOOP_RENAME_EXCHANGE)
    }

    /// False if the file system has no such rename.
    private static func rename(_ path: String, _ newPath: String, _ flag: Int) throws(UVError) -> Bool {
        do throws(UVError) {
            try request(path, newPath) { _, path, newPath in
                uvloop_rename(path, newPath, UInt32(flag)) == 0 ? 0 : UVError(errno: uvloop_errno()).rawValue
            }
            return true
        } catch {
            guard [.invalidArgument, .notImplemented, .notSupported].contains(error) else { throw error }
            return false
        }
    }

    /// Gives the file a second name; fails with ``UVError/exists`` if the name is taken. Mirrors `uv_fs_link`.
    public static func link(_ path: String, to newPath: String) throws(UVError) {
        try request(path, newPath) { uv_fs_link(nil, $0, $1, $2, nil) }
    }

    /// Removes the name; open descriptors keep the file. Mirrors `uv_fs_unlink`.
    public static func unlink(_ path: String) throws(UVError) {
        try request(path) { uv_fs_unlink(nil, $0, $1, nil) }
    }

    /// Removes an empty directory. Mirrors `uv_fs_rmdir`.
    public static func removeDirectory(_ path: String) throws(UVError) {
        try request(path) { uv_fs_rmdir(nil, $0, $1, nil) }
    }

    /// Removes the name if it exists.
    public static func unlinkIfPresent(_ path: String) throws(UVError) {
        do { try unlink(path) } catch .noEntry {}
    }

    /// Removes the name only if its file still has this identity.
    ///
    /// - Returns: true if the name was removed. Another process could replace the file between check and removal;
    /// callers that must exclude this hold a lock which that process respects.
    @discardableResult
    public static func unlink(_ path: String, ifStill identity: FileIdentity) throws(UVError) -> Bool {
        do {
            guard try status(of: path, followingLinks: false).identity == identity else { return false }
            try unlink(path)
            return true
        } catch .noEntry {
            return false
        }
    }

    /// The names in a directory, without `.` and `..`, in the order of their bytes.
    /// Mirrors `readdir(3)`.
    ///
    /// Names that do not match cost next to nothing; `uv_fs_scandir` would allocate and sort them.
    ///
    /// - Parameters:
    ///   - path: the file, or the directory.
    ///   - start: the beginning of the names to return.
    ///   - ends: the endings of the names to return; all names if empty.
    public static func names(
        inDirectory path: String, startingWith start: String = "", endingIn ends: [String] = [],
    ) throws(UVError) -> [String] {
        guard let directory = try RawText.withCString(path, { opendir($0) }) else {
            throw UVError(errno: uvloop_errno())
        }
        // `closedir` fails only for an invalid directory.
        defer { _ = closedir(directory) }
        let (start, ends) = (Array(start.utf8), ends.map { Array($0.utf8) })
        // The names stay in one block until they are sorted: strings compare by normal forms, which takes five times as
        // long.
        var bytes: [UInt8] = []
        var names: [Range<Int>] = []
        while let name = uvloop_next_name(directory) {
            let length = strlen(name)
            let isWanted = ends.contains { end in
                length >= end.count && memcmp(name + (length - end.count), end, end.count) == 0
            }
            let startsWell = length >= start.count && memcmp(name, start, start.count) == 0
            guard isWanted || ends.isEmpty, startsWell else { continue }
            names.append(bytes.count..<bytes.count + length)
            bytes.append(contentsOf: UnsafeRawBufferPointer(start: name, count: length))
        }
        let status = uvloop_errno()
        guard status == 0 else { throw UVError(errno: status) }
        return bytes.withUnsafeBytes { bytes in
            names.sort { one, other in
                // The base is not nil, since no name is empty.
                let base = bytes.baseAddress!
                let order = memcmp(base + one.lowerBound, base + other.lowerBound, min(one.count, other.count))
                return order == 0 ? one.count < other.count : order < 0
            }
            return names.map { RawText.string(UnsafeRawBufferPointer(rebasing: bytes[$0])) }
        }
    }

    /// Returns the contents of a small file.
    ///
    /// - Parameters:
    ///   - path: the file, or the directory.
    ///   - limit: the most bytes to read.
    /// - Throws: ``UVError/isDirectory`` for a directory; symbolic links are not followed (``UVError/symbolicLink``).
    public static func read(_ path: String, limit: Int) throws(UVError) -> [UInt8] {
        let file = try OpenFile(path, .readOnly)
        defer { file.close() }
        // The size is known from opening. Files of /proc report 0 but have contents.
        let size = Int(clamping: file.statusAtOpening.size)
        return try file.read(from: 0, limit: size == 0 ? min(limit, 4096) : min(limit, size))
    }

    /// Reads the start of a file by one read into the caller's memory; nil if the file cannot be read. For files of
    /// /proc, which are made anew by each read. Takes three system calls.
    static func readOnce(_ path: String, into buffer: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer? {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        let file: OwnedDescriptor
        do throws(UVError) {
            file = OwnedDescriptor(
                try check(
                    try RawText.withCString(path) { uv_fs_open(nil, &request, $0, O_RDONLY | O_CLOEXEC, 0, nil) }))
        } catch {
            return nil
        }
        let count = file.whileOpen { CLibUV.read($0, buffer.baseAddress, buffer.count) }
        return count < 0 ? nil : UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }

    /// Returns the canonical absolute path. Mirrors `uv_fs_realpath`.
    public static func realPath(of path: String) throws(UVError) -> String {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        try check(try RawText.withCString(path) { uv_fs_realpath(nil, &request, $0, nil) })
        return RawText.string(request.ptr.assumingMemoryBound(to: CChar.self))
    }

    /// Returns the target of a symbolic link; nil if the path is none, or cannot be read.
    package static func linkTarget(_ path: String) -> String? {
        do throws(UVError) { return try target(ofLink: path) } catch { return nil }
    }

    /// Returns the target of a symbolic link. Mirrors `readlink`.
    static func target(ofLink path: String) throws(UVError) -> String {
        let result = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) {
            buffer -> Result<String, UVError> in
            do throws(UVError) {
                let count = try RawText.withCString(path) { readlink($0, buffer.baseAddress!, buffer.count - 1) }
                try checkErrno(CInt(clamping: count))
                buffer[count] = 0
                return .success(RawText.string(buffer.baseAddress!))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// True if this process may execute the file. Mirrors `uv_fs_access`.
    public static func isExecutable(_ path: String) -> Bool {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        do throws(UVError) {
            try check(try RawText.withCString(path) { uv_fs_access(nil, &request, $0, X_OK, nil) })
            return try status(of: path).kind == .regular
        } catch {
            return false
        }
    }

    /// True if a file has that name.
    public static func exists(_ path: String) -> Bool {
        do throws(UVError) {
            _ = try status(of: path)
            return true
        } catch {
            return false
        }
    }

    /// Returns the part before the last component: nil for `/` and for a name without a directory.
    public static func parent(of path: String) -> String? {
        // Compared by bytes: a slash before a combining accent is no slash to Character, but is one to the system.
        let slash = UInt8(ascii: "/")
        var rest = path.utf8[...]
        while rest.count > 1, rest.last == slash { rest.removeLast() }
        guard let last = rest.lastIndex(of: slash), rest.count > 1 else { return nil }
        return last == rest.startIndex ? "/" : String(Substring(rest[..<last]))
    }

    private static func request(
        _ path: String,
        body: (UnsafeMutablePointer<uv_fs_t>, UnsafePointer<CChar>) -> CInt,
    ) throws(UVError) {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        try check(try RawText.withCString(path) { body(&request, $0) })
    }

    private static func request(
        _ path: String,
        _ other: String,
        body: (UnsafeMutablePointer<uv_fs_t>, UnsafePointer<CChar>, UnsafePointer<CChar>) -> CInt,
    ) throws(UVError) {
        // The second path is converted first, since the closure for the first path cannot throw.
        let otherBytes = try CStringArray([RawText.bytes(of: other)])
        try request(path) { body($0, $1, otherBytes.pointers[0]!) }
    }
}
