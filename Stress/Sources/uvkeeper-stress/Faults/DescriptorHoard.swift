internal import CPrlimit
import UVKeeper

/// A descriptor limit that leaves a process no descriptor to open: set in an instant, where taking thousands would
/// itself block the loop. Open descriptors stay open.
final class DescriptorHoard {
    #if os(Linux)
    static let reachesOthers = true
    #else
    static let reachesOthers = false
    #endif

    private let pid: Int32
    private var before = uvkeeper_limit()

    /// - Parameter pid: 0 is this process, which can always be limited.
    /// - Throws: the error of `prlimit(2)` for another process: it has ended, or belongs to another user.
    init(of pid: Int32 = 0) throws(UVError) {
        self.pid = pid
        try DescriptorHoard.check(uvkeeper_process_limit(UVKEEPER_DESCRIPTORS, pid, nil, &before))
        // Standard input, output and error stay within the limit: `poll(2)` refuses more descriptors than it allows.
        var none = uvkeeper_limit(soft: min(3, before.hard), hard: before.hard)
        try DescriptorHoard.check(uvkeeper_process_limit(UVKEEPER_DESCRIPTORS, pid, &none, nil))
    }

    /// Restores the former limit.
    func release() throws(UVError) {
        try DescriptorHoard.check(uvkeeper_process_limit(UVKEEPER_DESCRIPTORS, pid, &before, nil))
    }

    private static func check(_ result: Int32) throws(UVError) { if result < 0 { throw UVError(rawValue: result) } }
}
