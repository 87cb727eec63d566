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
        if uvloop_close_range(UInt32(first), .max) == 0 { return }
        #endif
        // An old kernel: one by one, up to the limit, but not for minutes where the limit is a billion.
        for descriptor in first..<max(first, Int32(clamping: min(limit.soft, 65536))) { _ = close(descriptor) }
    }

    /// Opens `/dev/null` on those of the descriptors 0, 1 and 2 that are closed, so that no file opened later takes their
    /// place and is mistaken for them. For the first lines of a program's main.
    public static func openMissingStandardDescriptors() {
        while true {
            let descriptor = uvloop_open_null()
            guard (0...2).contains(descriptor) else {
                if descriptor > 2 { _ = close(descriptor) }
                return
            }
        }
    }

    /// The longest that ``writeToStandardError(_:)`` waits for a reader.
    private static let longestWait = Duration.seconds(1)

    /// Writes a text to standard error, blocking or not. A full pipe is waited for, for at most a second in all; what it
    /// does not take by then is lost, and so is what a closed one does not take.
    public static func writeToStandardError(_ text: String) {
        var left = ArraySlice(RawText.bytes(of: text))
        let deadline = LibUV.monotonicTime + longestWait
        while !left.isEmpty {
            let wait = (deadline - LibUV.monotonicTime).milliseconds
            // A diagnostic has nowhere to report its own failure to.
            guard isWritable(2, within: wait) else { return }
            // A pipe that is ready takes so much without making anybody wait, also if it is a blocking one.
            let count = left.prefix(512).withUnsafeBytes { CLibUV.write(2, $0.baseAddress, $0.count) }
            guard count >= 0 || [EINTR, EAGAIN].contains(uvloop_errno()) else { return }
            left = left.dropFirst(max(0, count))
        }
    }

    /// Writes all bytes, waiting for a full pipe as long as somebody has its other end open, whether the descriptor blocks or
    /// not: another program that shares the open file may have changed that.
    ///
    /// - Throws: ``UVError/brokenPipe``, ``UVError/noSpace`` and their like; a part may have been written then. SIGPIPE comes
    ///   too, unless it is ignored.
    public static func write(_ bytes: [UInt8], to descriptor: Int32) throws(UVError) {
        var left = bytes[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { CLibUV.write(descriptor, $0.baseAddress, $0.count) }
            guard count == -1 else {
                left = left.dropFirst(count)
                continue
            }
            switch uvloop_errno() {
            case EINTR: continue
            // An error shows in the next write.
            case EAGAIN: _ = isWritable(descriptor, within: nil)
            case let number: throw UVError(errno: number)
            }
        }
    }

    /// Waits until a write would not wait, or would fail; false if the time passes first.
    private static func isWritable(_ descriptor: Int32, within milliseconds: UInt64?) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, milliseconds.map { CInt(clamping: $0) } ?? -1) != 0
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

    /// What the other end of a connection has given up.
    public enum HangUp: Sendable {
        case nothing
        /// It has finished sending; an end follows what can still be read.
        case sending
        /// It has closed both directions.
        case everything
    }

    /// How far the peer of a connected socket has closed it. Mirrors `poll(2)` with POLLRDHUP; where that is unknown,
    /// ``HangUp/sending`` is not told.
    public static func hangUp(of descriptor: Int32) -> HangUp {
        let hasFinished = Int16(UVLOOP_POLLRDHUP)
        var entry = pollfd(fd: descriptor, events: hasFinished, revents: 0)
        guard poll(&entry, 1, 0) == 1 else { return .nothing }
        if entry.revents & Int16(POLLERR | POLLHUP) != 0 { return .everything }
        return entry.revents & hasFinished != 0 ? .sending : .nothing
    }

    /// Reads what there is, waiting for it; empty at the end. For descriptors a loop cannot watch, such as a regular file
    /// on standard input: within ``Loop/queueWork(_:completion:)``.
    public static func read(from descriptor: Int32, limit: Int = 65536) throws(UVError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = -1
        while true {
            count = bytes.withUnsafeMutableBytes { CLibUV.read(descriptor, $0.baseAddress, $0.count) }
            guard count == -1 else { break }
            switch uvloop_errno() {
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

    #if os(Linux)
    private static let noFile = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
    private static let noFile = RLIMIT_NOFILE
    #endif
}
