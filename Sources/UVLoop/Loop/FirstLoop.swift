internal import CLibUV

/// The making of a C loop, with the care that a process's first one needs.
///
/// With its first loop libuv opens two descriptors for the whole process, and aborts the process if there are none left
/// (H68). So that many as a first loop takes in all are taken before it, and given back for it.
enum FirstLoop {
    /// A loop's own epoll instance, event descriptor and pipe, and the pipe of the process: six, as three pipes.
    private static let pipes = 3

    /// True if a loop has been made. Held while the first one is, so that two threads do not take each other's.
    private static let isMade = Lock(false)

    /// An initialised loop in memory of its own.
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
            // libuv 1.44 leaves its epoll descriptor open when a later one is refused; where it does not, the
            // number is -1. Zero: it failed before it had one.
            if uv_backend_fd(raw) > 0 { OwnedDescriptor(uv_backend_fd(raw)).close() }
            raw.deallocate()
            throw UVError(rawValue: status)
        }
        do throws(UVError) {
            try Watches.reserveOwn(of: raw)
        } catch {
            // Before anything is opened on it, or the loop would have to poll.
            _ = uv_loop_close(raw)
            raw.deallocate()
            throw error
        }
        return raw
    }

    /// 0 if there are as many descriptors as a first loop takes, else the error. Open files of their own, not duplicates:
    /// the system's table of open files has a limit too.
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
