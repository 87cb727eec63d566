internal import CLibUV

/// The limit of descriptors of a process.
public struct DescriptorLimit: Hashable, Sendable {
    /// The limit in force.
    public var soft: UInt64
    /// The highest value to which the process may raise the limit.
    public var hard: UInt64

    /// This process's limit. Mirrors `getrlimit(RLIMIT_NOFILE)`.
    public static var current: DescriptorLimit {
        var limit = rlimit()
        // `getrlimit` cannot fail: the resource exists and the pointer is valid.
        _ = getrlimit(noFile, &limit)
        return DescriptorLimit(soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
    }

    /// Raises the soft limit to the hard one, or to `ceiling` if that is less; never lowers it.
    public static func raise(upTo ceiling: UInt64 = .max) throws(UVError) {
        let current = current
        let wanted = min(current.hard, ceiling)
        guard wanted > current.soft else { return }
        var raised = rlimit(rlim_cur: rlim_t(wanted), rlim_max: rlim_t(current.hard))
        try checkErrno(setrlimit(noFile, &raised))
    }

    #if os(Linux)
    private static let noFile = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
    private static let noFile = RLIMIT_NOFILE
    #endif
}
