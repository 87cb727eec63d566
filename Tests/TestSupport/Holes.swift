import Libc
public import UVLoop

/// Files that are larger than any disk, since nobody has written to most of them.
public enum Holes {
    /// The size of a file with a hole, in bytes: 8 TiB, half of what ext4 takes.
    public static let size = (1 << 43) - 1

    /// True if the file system of temporary files takes such files, and tells where nobody has written.
    public static var areTold: Bool {
        do {
            return try withTemporaryDirectory { directory in
                let file = try OpenFile(directory + "/f", .createNew)
                try enlarge(file)
                // SEEK_DATA, and no data is there.
                return lseek(file.descriptor, 0, 3) == -1 && errno == ENXIO
            }
        } catch {
            return false
        }
    }

    /// Adds a hole at the end of a file.
    public static func enlarge(_ file: OpenFile) throws { try file.truncate(to: UInt64(size)) }
}
