internal import CLibUV

extension Descriptors {
    /// The result of one write to a non-blocking pipe or socket.
    public enum Sent: Hashable, Sendable {
        /// So many bytes were taken, from the front; at least one unless there were none.
        case bytes(Int)
        /// There is no room now.
        case wouldBlock
        /// Nobody reads it any more, or it has failed.
        case failed(UVError)
    }

    /// Writes as much of `bytes` as a non-blocking pipe or socket takes; never waits. SIGPIPE comes too, unless it is ignored
    /// or blocked. Mirrors `write(2)`.
    public static func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Sent {
        while true {
            let count = CLibUV.write(descriptor, bytes.baseAddress, bytes.count)
            guard count < 0 else { return .bytes(count) }
            let number = uvloop_errno()
            if number == EAGAIN { return .wouldBlock }
            if number != EINTR { return .failed(UVError(errno: number)) }
        }
    }

    /// Makes a pipe whose ends are both close-on-exec; one of them does not block. Both are the caller's to close. Mirrors
    /// `pipe2(2)`, as `uv_pipe`.
    ///
    /// - Parameter writes: true if the end that does not block is the one that is written to.
    public static func pipe(
        nonBlockingWrites writes: Bool,
    ) throws(UVError) -> (readEnd: Int32, writeEnd: Int32) {
        var ends: (CInt, CInt) = (-1, -1)
        let nonBlocking = CInt(UV_NONBLOCK_PIPE.rawValue)
        var status: CInt = 0
        withUnsafeMutableBytes(of: &ends) { ends in
            let base = ends.baseAddress!.assumingMemoryBound(to: CInt.self)
            status = uv_pipe(base, writes ? 0 : nonBlocking, writes ? nonBlocking : 0)
        }
        try check(status)
        return (ends.0, ends.1)
    }

    /// How many bytes a pipe or a stream socket has that nobody has read; for a pipe either end tells. Nil if the system does
    /// not say. Mirrors `FIONREAD`.
    public static func unreadByteCount(of descriptor: Int32) -> Int? {
        let count = uvloop_unread_byte_count(descriptor)
        return count < 0 ? nil : Int(count)
    }

    /// How many bytes a pipe can hold. Mirrors `F_GETPIPE_SZ`; 65536 where that is unknown.
    public static func capacity(ofPipe descriptor: Int32) -> Int {
        let capacity = uvloop_pipe_capacity(descriptor)
        return capacity > 0 ? Int(capacity) : 65536
    }

    /// How many descriptors below a number are open, found out by one call; the number is cut to the process's limit. Mirrors
    /// `poll(2)`, where it is POLLNVAL for one that is not.
    public static func openCount(below number: Int) -> Int {
        let count = max(0, min(number, Int(clamping: DescriptorLimit.current.soft)))
        var entries = (0..<count).map { pollfd(fd: Int32($0), events: 0, revents: 0) }
        guard poll(&entries, nfds_t(count), 0) >= 0 else { return count }
        return entries.count { $0.revents & Int16(POLLNVAL) == 0 }
    }
}
