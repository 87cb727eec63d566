internal import CLibUV

/// The loop's watches in the kernel. libuv asks epoll for one when it polls, after whoever wanted it has gone on, and
/// aborts the process if the kernel has none left, or no memory for it (H70), or does not watch such a descriptor (H71).
/// The table that libuv keeps of them, a pointer for each, is beyond reach (H72).
enum Watches {
    /// Takes the watch of a descriptor before libuv asks for it, and leaves it for libuv, which finds it there and says
    /// what to watch for. It is given up when libuv closes the descriptor or stops polling it.
    ///
    /// - Throws: ``UVError/noSpace`` at the user's limit of watches, ``UVError/outOfMemory``.
    static func reserve(_ descriptor: CInt, on loop: UnsafeMutablePointer<uv_loop_t>) throws(UVError) {
        #if os(Linux)
        try checkErrno(uvloop_reserve_watch(uv_backend_fd(loop), descriptor))
        #endif
    }

    /// The same for a stream that has just begun to read, in place of libuv's call and not before it: every connection takes
    /// a watch, and two more calls would be a twentieth of what a connection costs.
    ///
    /// - Throws: as above; the caller stops reading.
    static func take(_ stream: UnsafeMutablePointer<uv_stream_t>) throws(UVError) {
        #if os(Linux)
        try checkErrno(uvloop_take_watch(stream))
        #endif
    }

    /// The same for the descriptors that a new loop watches itself.
    static func reserveOwn(of loop: UnsafeMutablePointer<uv_loop_t>) throws(UVError) {
        #if os(Linux)
        for descriptor in [loop.pointee.async_io_watcher.fd, loop.pointee.signal_io_watcher.fd] where descriptor >= 0 {
            try reserve(descriptor, on: loop)
        }
        #endif
    }
}
