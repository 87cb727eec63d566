internal import CLibUV

extension Descriptors {
    /// The result of one read of a non-blocking socket.
    public enum Received: Hashable, Sendable {
        /// The number of bytes read, at least one.
        case bytes(Int)
        /// No bytes wait now.
        case wouldBlock
        /// The peer has finished sending, or has closed.
        case end
        /// The connection has failed.
        case failed(UVError)
    }

    /// Reads the bytes that wait in a non-blocking socket, as many as `buffer` holds; never waits. Mirrors `read(2)`
    /// and `recv(2)`.
    ///
    /// - Parameters:
    ///   - descriptor: stays the caller's.
    ///   - buffer: filled from its first byte on.
    ///   - peeking: true to leave the bytes in the socket, to be read again. A close with bytes left unread is a
    ///     reset for the peer (H29).
    public static func receive(
        from descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, peeking: Bool = false,
    ) -> Received {
        while true {
            let count =
                peeking
                ? recv(descriptor, buffer.baseAddress, buffer.count, CInt(MSG_DONTWAIT) | CInt(MSG_PEEK))
                : CLibUV.read(descriptor, buffer.baseAddress, buffer.count)
            guard count < 0 else { return count == 0 ? .end : .bytes(count) }
            let number = uvloop_errno()
            if number == EAGAIN { return .wouldBlock }
            if number != EINTR { return .failed(UVError(errno: number)) }
        }
    }

    /// Opens a file or named pipe for reading, close-on-exec. Mirrors `open(2)`.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - waitsForWriter: true to wait until a writer has opened a named pipe. If false, the descriptor does not
    ///     block; poll it before reading: before the first writer a read returns the end at once.
    public static func open(_ path: String, waitsForWriter: Bool = true) throws(UVError) -> OwnedDescriptor {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        let flags = O_RDONLY | O_CLOEXEC | (waitsForWriter ? 0 : O_NONBLOCK)
        return OwnedDescriptor(
            try check(try RawText.withCString(path) { uv_fs_open(nil, &request, $0, flags, 0, nil) }))
    }

    /// Returns a second descriptor for the same open file, close-on-exec. Mirrors `fcntl(F_DUPFD_CLOEXEC)`.
    ///
    /// - Parameters:
    ///   - descriptor: stays the caller's.
    ///   - lowest: the lowest number allowed.
    public static func duplicate(_ descriptor: Int32, from lowest: Int32 = 3) throws(UVError) -> OwnedDescriptor {
        OwnedDescriptor(try checkErrno(uvloop_duplicate(descriptor, lowest)))
    }
}
