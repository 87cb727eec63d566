internal import CPrlimit
import UVKeeper

/// A limit that keeps a process from making a file longer than some bytes, like a full disk. Longer files stay as they
/// are.
final class FileSizeLimit {
    private let pid: Int32
    private var before = uvkeeper_limit()

    /// - Throws: the error of `prlimit(2)`: the process has ended, or belongs to another user.
    init(of pid: Int32, _ byteCount: UInt64) throws(UVError) {
        self.pid = pid
        try FileSizeLimit.check(uvkeeper_process_limit(UVKEEPER_FILE_SIZE, pid, nil, &before))
        var limit = uvkeeper_limit(soft: min(byteCount, before.hard), hard: before.hard)
        try FileSizeLimit.check(uvkeeper_process_limit(UVKEEPER_FILE_SIZE, pid, &limit, nil))
    }

    /// Restores the former limit.
    func release() throws(UVError) {
        try FileSizeLimit.check(uvkeeper_process_limit(UVKEEPER_FILE_SIZE, pid, &before, nil))
    }

    private static func check(_ result: Int32) throws(UVError) { if result < 0 { throw UVError(rawValue: result) } }
}
