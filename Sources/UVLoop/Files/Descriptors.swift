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

    /// Opens `/dev/null` on those of the descriptors 0, 1 and 2 that are closed, so that no file opened later takes their
    /// place and is mistaken for them. For the first lines of a program's main.
    public static func openMissingStandardDescriptors() {
        while true {
            let descriptor = uvkeeper_open_null()
            guard (0...2).contains(descriptor) else {
                if descriptor > 2 { close(descriptor) }
                return
            }
        }
    }

    /// Writes a text to standard error, waiting if that is a full pipe; what a closed or non-blocking one does not take is
    /// lost.
    public static func writeToStandardError(_ text: String) {
        var text = text
        // A diagnostic has nowhere to report its own failure to.
        _ = text.withUTF8 { write(2, $0.baseAddress, $0.count) }
    }

    /// Whether a descriptor is a terminal. Mirrors `uv_guess_handle`.
    public static func isTerminal(_ descriptor: Int32) -> Bool {
        uv_guess_handle(descriptor) == UV_TTY
    }

    /// Whether a write would fail because nobody has the other end open, found out without writing. False is no promise:
    /// the other end may close at any moment. Mirrors `poll(2)`, where it is POLLERR for a pipe, POLLHUP for a socket.
    public static func isBroken(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// Reads what there is, waiting for it; empty at the end. For descriptors a loop cannot watch, such as a regular file
    /// on standard input: within ``Loop/queueWork(_:completion:)``.
    public static func read(from descriptor: Int32, limit: Int = 65536) throws(UVError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = -1
        while true {
            count = bytes.withUnsafeMutableBytes { CLibUV.read(descriptor, $0.baseAddress, $0.count) }
            guard count == -1 else { break }
            switch uvkeeper_errno() {
            case EINTR: continue
            case EAGAIN:
                // Non-blocking, as a parent that shares the open file may have made it. An error shows in the next read.
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&entry, 1, -1)
            case let number: throw UVError(errno: number)
            }
        }
        bytes.removeLast(bytes.count - count)
        return bytes
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
