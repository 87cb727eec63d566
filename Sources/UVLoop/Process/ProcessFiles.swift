internal import CLibUV

extension Processes {
    /// The names of what a process has open: paths, and the kernel's words for what has none (`socket:[123]`); nil if it is
    /// gone, somebody else's, or the system does not tell. Mirrors `/proc/<pid>/fd`.
    public static func openFiles(of pid: Int32) -> [String]? {
        #if os(Linux)
        do throws(UVError) {
            let directory = "/proc/\(pid)/fd"
            return try Files.names(inDirectory: directory).compactMap { linkTarget("\(directory)/\($0)") }
        } catch {
            return nil
        }
        #else
        return nil
        #endif
    }

    private static func linkTarget(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) { buffer in
            let count = readlink(path, buffer.baseAddress!, buffer.count - 1)
            guard count >= 0 else { return nil }
            buffer[count] = 0
            return RawText.string(buffer.baseAddress!)
        }
    }
}
