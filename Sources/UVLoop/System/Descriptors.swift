internal import CLibUV

/// System calls on descriptors, for what no loop watches.
public enum Descriptors {
    /// Closes every descriptor from `first` on, those nobody in this program knows of included.
    ///
    /// For the first lines of a program's main, before anything else opens descriptors. Mirrors `close_range(2)`.
    public static func closeAll(from first: Int32 = 3) {
        #if os(Linux)
        if uvloop_close_range(UInt32(first), .max) == 0 { return }
        #endif
        // An old kernel: one by one, up to the limit, but not for minutes where the limit is a billion.
        for descriptor in first..<max(first, Int32(clamping: min(DescriptorLimit.current.soft, 65536))) {
            _ = close(descriptor)
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
    static func isWritable(_ descriptor: Int32, within milliseconds: UInt64?) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, milliseconds.map { CInt(clamping: $0) } ?? -1) != 0
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
}
