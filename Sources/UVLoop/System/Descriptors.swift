internal import CLibUV

/// System calls on descriptors that no loop watches.
public enum Descriptors {
    /// Closes every descriptor from `first` on, even those that no code of this program knows.
    ///
    /// For the first lines of a program's main, before anything else opens descriptors. Mirrors `close_range(2)`.
    public static func closeAll(from first: Int32 = 3) {
        #if os(Linux)
        if uvloop_close_range(UInt32(first), .max) == 0 { return }
        #endif
        // An old kernel closes them one by one, up to the limit, but to 65536 at most: a limit of a billion would take
        // minutes.
        for descriptor in first..<max(first, Int32(clamping: min(DescriptorLimit.current.soft, 65536))) {
            _ = close(descriptor)
        }
    }

    /// Writes all bytes, and waits for a full pipe as long as its other end is open. Works for blocking and
    /// non-blocking descriptors: another program that shares the open file may have changed that.
    ///
    /// - Throws: ``UVError/brokenPipe``, ``UVError/noSpace`` and their like; some of the bytes may have been written
    /// then. A broken pipe also raises SIGPIPE, unless that is ignored.
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
            // The next write reports an error of the poll.
            case EAGAIN: _ = isWritable(descriptor, within: nil)
            case let number: throw UVError(errno: number)
            }
        }
    }

    /// Waits until a write would not block, or would fail; returns false if the time passes first.
    static func isWritable(_ descriptor: Int32, within milliseconds: UInt64?) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, milliseconds.map { CInt(clamping: $0) } ?? -1) != 0
    }

    /// True if a write would fail because the other end is closed; checked without writing. False is no promise: the
    /// other end may close at any moment. Mirrors `poll(2)`, which reports POLLERR for a pipe, POLLHUP for a socket.
    public static func isBroken(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// The directions of a connection that its other end has closed.
    public enum HangUp: Sendable {
        case nothing
        /// The peer has finished sending; an end follows the bytes that can still be read.
        case sending
        /// The peer has closed both directions.
        case everything
    }

    /// Returns the directions that the peer of a connected socket has closed. Mirrors `poll(2)` with POLLRDHUP; systems
    /// without that never report ``HangUp/sending``.
    public static func hangUp(of descriptor: Int32) -> HangUp {
        let hasFinished = Int16(UVLOOP_POLLRDHUP)
        var entry = pollfd(fd: descriptor, events: hasFinished, revents: 0)
        guard poll(&entry, 1, 0) == 1 else { return .nothing }
        if entry.revents & Int16(POLLERR | POLLHUP) != 0 { return .everything }
        return entry.revents & hasFinished != 0 ? .sending : .nothing
    }

    /// Reads the available bytes, and waits for the first; empty at the end. For descriptors that a loop cannot watch,
    /// such as a regular file on standard input, within ``Loop/queueWork(_:completion:)``.
    public static func read(from descriptor: Int32, limit: Int = 65536) throws(UVError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = -1
        while true {
            count = bytes.withUnsafeMutableBytes { CLibUV.read(descriptor, $0.baseAddress, $0.count) }
            guard count == -1 else { break }
            switch uvloop_errno() {
            case EINTR: continue
            case EAGAIN:
                // The descriptor is non-blocking: a parent that shares the open file may have made it so. The next read
                // reports an error of the poll.
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&entry, 1, -1)
            case let number: throw UVError(errno: number)
            }
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
