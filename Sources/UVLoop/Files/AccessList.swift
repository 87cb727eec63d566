internal import CLibUV

/// The permissions of users and groups other than a file's owner and group: a POSIX ACL. `stat(2)` shows the most that
/// any of them may do as the permissions of the group.
public struct AccessList: Hashable, Sendable {
    /// A user or group named in the list.
    public enum Holder: Hashable, Sendable {
        /// A user, by id.
        case user(UInt32)
        /// The members of a group, by id.
        case group(UInt32)
    }

    /// The permissions of one holder.
    public struct Entry: Hashable, Sendable {
        /// The user or group that has the permissions.
        public let holder: Holder
        /// The sum of 4 to read, 2 to write and 1 to search, as limited by the list's mask.
        public let permissions: UInt32

        /// True if the holder may change the directory's contents.
        public var mayWrite: Bool { permissions & 2 != 0 }
    }

    /// The named users and groups, in the list's order.
    public let entries: [Entry]

    /// Reads the list; nil if the directory has none, or the file system keeps none.
    init?(of directory: CInt) throws(UVError) {
        var failure: CInt = 0
        // The size is the kernel's limit of a list. The memory is not zeroed: pages that no list touches cost nothing,
        // and a keeper would keep zeroed ones.
        let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            let length = uvloop_access_list(directory, buffer.baseAddress, buffer.count)
            failure = length < 0 ? uvloop_errno() : 0
            count = max(0, length)
        }
        guard failure == 0 else {
            if [ENODATA, ENOTSUP].contains(failure) { return nil }
            throw UVError(errno: failure)
        }
        entries = AccessList.entries(bytes)
    }

    /// Parses the kernel's format: a version, then eight bytes for each entry: tag, permissions, id.
    private static func entries(_ bytes: [UInt8]) -> [Entry] {
        func number(_ start: Int, _ length: Int) -> UInt32 {
            (start..<start + length).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[$1]) }
        }
        let (user, group, mask): (UInt32, UInt32, UInt32) = (0x02, 0x08, 0x10)
        let starts = stride(from: 4, through: bytes.count - 8, by: 8)
        let most = starts.first { number($0, 2) == mask }.map { number($0 + 2, 2) } ?? .max
        return starts.compactMap { start in
            let permissions = number(start + 2, 2) & most
            let id = number(start + 4, 4)
            return switch number(start, 2) {
            case user: Entry(holder: .user(id), permissions: permissions)
            case group: Entry(holder: .group(id), permissions: permissions)
            default: nil
            }
        }
    }
}
