internal import CLibUV

extension Files {
    /// Gives a file new contents in one step: whoever opens it finds the old contents or the new ones, whole. The file is made
    /// if it is missing. Mirrors a write to a new file and `rename(2)`.
    ///
    /// The new file is another one than the old: other names of the old one, and descriptors, keep the old contents. A
    /// symbolic link at the path is replaced itself. If the process is killed meanwhile, a file `.uvloop-…` may be left in
    /// the directory.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - bytes: the new contents.
    ///   - permissions: of the new file; nil: those of the old one, or 0600.
    ///   - isSynchronous: true: returns when the disk has it, so that a power failure does not undo it.
    /// - Throws: ``UVError/noSpace`` and its like; the old contents are untouched then.
    public static func replace(
        _ path: String, with bytes: [UInt8], permissions: UInt32? = nil, isSynchronous: Bool = false,
    ) throws(UVError) {
        let folder = parent(of: path)
        let start = folder.map { $0 == "/" ? "/" : $0 + "/" } ?? ""
        let permissions = if let permissions { permissions } else { try self.permissions(of: path) }
        try replace(path, with: bytes, permissions: permissions, isSynchronous) {
            start + ".uvloop-" + String(UInt64.random(in: .min ... .max), radix: 16)
        }
        if isSynchronous { try synchronizeDirectory(folder ?? ".") }
    }

    /// A new name is on the disk only once its directory is.
    private static func synchronizeDirectory(_ path: String) throws(UVError) {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        let directory = OwnedDescriptor(
            try check(
                try RawText.withCString(path) {
                    uv_fs_open(nil, &request, $0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, nil)
                }))
        try directory.whileOpen { (descriptor) throws(UVError) in _ = try checkErrno(fsync(descriptor)) }
    }

    /// The same, by way of names that the caller makes: a name that something has already is not used.
    package static func replace(
        _ path: String, with bytes: [UInt8], permissions: UInt32? = nil, _ isSynchronous: Bool = false,
        through name: () -> String,
    ) throws(UVError) {
        let (file, temporary) = try newFile(name)
        defer { file.close() }
        do throws(UVError) {
            if let permissions, permissions != file.statusAtOpening.permissions & 0o7777 {
                try setPermissions(permissions, of: temporary)
            }
            try file.write(bytes)
            if isSynchronous { try checkErrno(fsync(file.descriptor)) }
            try rename(temporary, to: path)
        } catch {
            // The first error is the one to tell.
            do throws(UVError) { try unlinkIfPresent(temporary) } catch {}
            throw error
        }
    }

    private static func newFile(_ name: () -> String) throws(UVError) -> (OpenFile, String) {
        for _ in 0..<8 {
            let name = name()
            do throws(UVError) { return (try OpenFile(name, .createNew), name) } catch .exists { continue }
        }
        throw .exists
    }

    /// Nil for a file that does not exist.
    private static func permissions(of path: String) throws(UVError) -> UInt32? {
        do throws(UVError) {
            let status = try status(of: path, followingLinks: false)
            return status.kind == .regular ? status.permissions & 0o777 : nil
        } catch {
            if error == .noEntry { return nil }
            throw error
        }
    }
}
