internal import CLibUV

/// Creates C loops, with the care that a process's first one needs.
///
/// libuv opens two descriptors for the whole process with its first loop, and aborts the process if none are left
/// (H68). The descriptors that a first loop needs are therefore opened before it, and closed for it.
enum FirstLoop {
    /// The descriptors of a first loop, in pipes of two: the loop's epoll instance, event descriptor and pipe, and the
    /// pipe of the process; six in all.
    private static let pipes = 3

    /// True if a loop has been made. The lock is held during the first, so that two threads do not take each other's
    /// descriptors.
    private static let isMade = Lock(false)

    /// Returns an initialised loop in memory of its own.
    static func make() throws(UVError) -> UnsafeMutablePointer<uv_loop_t> {
        let raw = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
        raw.initialize(to: uv_loop_t())
        let status = isMade.withLock { isMade in
            let status = isMade ? 0 : tryDescriptors()
            guard status == 0 else { return status }
            let result = uv_loop_init(raw)
            if result == 0 { isMade = true }
            return result
        }
        guard status == 0 else {
            // libuv 1.44 leaves its epoll descriptor open if a later one is refused; other versions set the number to
            // -1. Zero means that it failed before it had one.
            if uv_backend_fd(raw) > 0 { OwnedDescriptor(uv_backend_fd(raw)).close() }
            raw.deallocate()
            throw UVError(rawValue: status)
        }
        do throws(UVError) {
            try Watches.reserveOwn(of: raw)
        } catch {
            // The loop is closed before any handle is opened on it, which would need a poll.
            _ = uv_loop_close(raw)
            raw.deallocate()
            throw error
        }
        return raw
    }

    /// Returns 0 if there are as many descriptors as a first loop needs, else the error. The descriptors are open files
    /// of their own, not duplicates: the system's table of open files has a limit too.
    private static func tryDescriptors() -> CInt {
        var taken: [CInt] = []
        var status: CInt = 0
        for _ in 0..<pipes where status == 0 {
            var pair: (CInt, CInt) = (-1, -1)
            status = withUnsafeMutableBytes(of: &pair) {
                uv_pipe($0.baseAddress!.assumingMemoryBound(to: CInt.self), 0, 0)
            }
            if status == 0 { taken += [pair.0, pair.1] }
        }
        for descriptor in taken { OwnedDescriptor(descriptor).close() }
        return status
    }
}
