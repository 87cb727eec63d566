internal import CLibUV

/// The descriptors of this process as a whole.
public enum Descriptors {
    /// How many descriptors a process may have.
    public struct Limit: Hashable, Sendable {
        /// What holds now.
        public var soft: UInt64
        /// How far the process may raise it.
        public var hard: UInt64
    }

    /// The current limit. Mirrors `getrlimit(RLIMIT_NOFILE)`.
    public static var limit: Limit {
        var limit = rlimit()
        // Cannot fail: the resource exists and the pointer is valid.
        _ = getrlimit(noFile, &limit)
        return Limit(soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
    }

    /// Raises the soft limit to the hard one, or to `ceiling` if that is less; never lowers it.
    public static func raiseLimit(upTo ceiling: UInt64 = .max) throws(UVError) {
        let current = limit
        let wanted = min(current.hard, ceiling)
        guard wanted > current.soft else { return }
        var raised = rlimit(rlim_cur: rlim_t(wanted), rlim_max: rlim_t(current.hard))
        try checkErrno(setrlimit(noFile, &raised))
    }

    /// Closes every descriptor from `first` on, those nobody in this program knows of included.
    ///
    /// For the first lines of a program's main, before anything else opens descriptors. Mirrors `close_range(2)`.
    public static func closeAll(from first: Int32 = 3) {
        #if os(Linux)
        if uvkeeper_close_range(UInt32(first), .max) == 0 { return }
        #endif
        // An old kernel: one by one, up to the limit, but not for minutes where the limit is a billion.
        for descriptor in first..<max(first, Int32(clamping: min(limit.soft, 65536))) { close(descriptor) }
    }

    /// Closes one descriptor. Not tried again on EINTR: the descriptor is gone even then.
    static func close(_ descriptor: CInt) {
        _ = CLibUV.close(descriptor)
    }

    #if os(Linux)
    private static let noFile = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
    private static let noFile = RLIMIT_NOFILE
    #endif
}
