internal import CLibUV

/// The identity of a file, whatever its name: device and inode number.
public struct FileIdentity: Hashable, Sendable {
    /// Device number.
    public let device: UInt64
    /// Inode number.
    public let inode: UInt64
}

/// The system's description of a file. Mirrors `uv_stat_t`.
public struct FileStatus: Hashable, Sendable {
    /// The kind of a file.
    public enum Kind: Sendable {
        /// A regular file.
        case regular
        /// A directory.
        case directory
        /// A symbolic link.
        case symbolicLink
        /// A unix socket.
        case socket
        /// A device, a named pipe, or something unknown.
        case other
    }

    /// The kind of the file.
    public let kind: Kind
    /// Permission bits, for instance 0o600.
    public let permissions: UInt32
    /// Size in bytes.
    public let size: UInt64
    /// User id of the owner.
    public let owner: UInt32
    /// Group id.
    public let group: UInt32
    /// The identity of the file.
    public let identity: FileIdentity
    /// The number of names the file has; 0 for an open file that was removed.
    public let linkCount: UInt64
    /// The time of the last change of the contents, since 1970-01-01 UTC.
    public let modifiedAt: Duration

    /// Reads the status of an open file. Mirrors `uv_fs_fstat`.
    init(ofDescriptor descriptor: CInt) throws(UVError) {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        try check(uv_fs_fstat(nil, &request, descriptor, nil))
        self.init(request.statbuf)
    }

    init(_ status: uv_stat_t) {
        kind =
            switch UInt32(truncatingIfNeeded: status.st_mode) & 0o170000 {
            case 0o100000: .regular
            case 0o040000: .directory
            case 0o120000: .symbolicLink
            case 0o140000: .socket
            default: .other
            }
        permissions = UInt32(truncatingIfNeeded: status.st_mode) & 0o7777
        size = status.st_size
        owner = UInt32(truncatingIfNeeded: status.st_uid)
        group = UInt32(truncatingIfNeeded: status.st_gid)
        identity = FileIdentity(device: status.st_dev, inode: status.st_ino)
        linkCount = status.st_nlink
        // The time is clamped to 30,000 years: files can have any time set, and a sum with a larger one would overflow.
        let seconds = max(-1 << 40, min(1 << 40, Int64(status.st_mtim.tv_sec)))
        modifiedAt = .seconds(seconds) + .nanoseconds(Int64(status.st_mtim.tv_nsec))
    }
}
