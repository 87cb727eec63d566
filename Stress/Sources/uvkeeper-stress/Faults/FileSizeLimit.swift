internal import CPrlimit
import UVKeeper

/// Keeps a process from making a file longer than so many bytes, as a full disk does. What a file has it keeps.
final class FileSizeLimit {
    private let pid: Int32
    private var before = uvkeeper_limit()

    /// - Throws: what `prlimit(2)` reports: the process has ended, or is somebody else's.
    init(of pid: Int32, _ byteCount: UInt64) throws(UVError) {
        self.pid = pid
        try FileSizeLimit.check(uvkeeper_process_limit(UVKEEPER_FILE_SIZE, pid, nil, &before))
        var limit = uvkeeper_limit(soft: min(byteCount, before.hard), hard: before.hard)
        try FileSizeLimit.check(uvkeeper_process_limit(UVKEEPER_FILE_SIZE, pid, &limit, nil))
    }

    /// Gives it the limit it had.
    func release() throws(UVError) {
        try FileSizeLimit.check(uvkeeper_process_limit(UVKEEPER_FILE_SIZE, pid, &before, nil))
    }

    private static func check(_ result: Int32) throws(UVError) { if result < 0 { throw UVError(rawValue: result) } }
}
