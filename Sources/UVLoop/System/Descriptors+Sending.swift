internal import CLibUV

extension Descriptors {
    /// The result of one write to a non-blocking pipe or socket.
    public enum Sent: Hashable, Sendable {
        /// The number of bytes taken, from the front; at least one unless there were none.
        case bytes(Int)
        /// There is no room now.
        case wouldBlock
        /// The reader is gone, or the pipe or socket has failed.
        case failed(UVError)
    }

    /// Writes as much of `bytes` as a non-blocking pipe or socket takes; never waits. A broken pipe also raises
    /// SIGPIPE, unless that is ignored or blocked. Mirrors `write(2)`.
    public static func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Sent {
        while true {
            let count = CLibUV.write(descriptor, bytes.baseAddress, bytes.count)
            guard count < 0 else { return .bytes(count) }
            let number = uvloop_errno()
            if number == EAGAIN { return .wouldBlock }
            if number != EINTR { return .failed(UVError(errno: number)) }
        }
    }

    /// Makes a pipe whose ends are both close-on-exec; one of them is non-blocking. The caller closes both. Mirrors
    /// `pipe2(2)`, as `uv_pipe`.
    ///
    /// - Parameter writes: true to make the write end the non-blocking one.
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

    /// Returns the number of unread bytes in a pipe, by either end, or in a stream socket. Nil if the system does not
    /// tell. Mirrors `FIONREAD`.
    public static func unreadByteCount(of descriptor: Int32) -> Int? {
        let count = uvloop_unread_byte_count(descriptor)
        return count < 0 ? nil : Int(count)
    }

    /// Returns the number of bytes that a pipe can hold; 65536 if unknown. Mirrors `F_GETPIPE_SZ`.
    public static func capacity(ofPipe descriptor: Int32) -> Int {
        let capacity = uvloop_pipe_capacity(descriptor)
        return capacity > 0 ? Int(capacity) : 65536
    }

    /// Returns the number of open descriptors below `number`, or below the process's limit if that is less, by one
    /// call. Mirrors `poll(2)`, which reports POLLNVAL for a closed one.
    public static func openCount(below number: Int) -> Int {
        let count = max(0, min(number, Int(clamping: DescriptorLimit.current.soft)))
        var entries = (0..<count).map { pollfd(fd: Int32($0), events: 0, revents: 0) }
        guard poll(&entries, nfds_t(count), 0) >= 0 else { return count }
        return entries.count { $0.revents & Int16(POLLNVAL) == 0 }
    }
}
