internal import CLibUV

extension OpenFile {
    /// Sets the permission bits of the file. Mirrors `uv_fs_fchmod`.
    public func setPermissions(_ permissions: UInt32) throws(UVError) {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        try check(uv_fs_fchmod(nil, &request, descriptor, CInt(permissions), nil))
    }

    /// Stores a value beside the file's contents. Mirrors `fsetxattr(2)`.
    ///
    /// - Parameters:
    ///   - name: an attribute of the user kind, `user.…`.
    ///   - value: any bytes.
    /// - Throws: ``UVError/notSupported`` on a file system without such attributes.
    public func setAttribute(_ name: String, to value: [UInt8]) throws(UVError) {
        try checkErrno(uvloop_set_attribute(descriptor, name, value, value.count))
    }

    /// Returns the value of an attribute; nil if there is none, or one longer than `limit` bytes. Mirrors
    /// `fgetxattr(2)`.
    public func attribute(_ name: String, limit: Int = 256) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: limit)
        let count = value.withUnsafeMutableBytes { uvloop_attribute(descriptor, name, $0.baseAddress, $0.count) }
        return count < 0 ? nil : Array(value.prefix(count))
    }
}

extension Files {
    /// Returns the value of an attribute of a file or a directory, not of what a symbolic link names; nil if there is none,
    /// or one longer than `limit` bytes. Mirrors `lgetxattr(2)`.
    ///
    /// - Throws: ``UVError/invalidArgument`` for a path with a zero byte.
    public static func attribute(_ name: String, of path: String, limit: Int = 256) throws(UVError) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: limit)
        let count = try RawText.withCString(path) { path in
            value.withUnsafeMutableBytes { uvloop_path_attribute(path, name, $0.baseAddress, $0.count) }
        }
        return count < 0 ? nil : Array(value.prefix(count))
    }
}
