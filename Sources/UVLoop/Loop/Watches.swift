internal import CLibUV

/// The loop's watches in the kernel. libuv asks epoll for a watch only when it polls, after the caller that wanted it
/// has gone on, and aborts the process if the kernel has no watch or memory left (H70), or refuses the descriptor
/// (H71). libuv's own table of them, a pointer for each, cannot be prepared for (H72).
enum Watches {
    /// Takes the watch of a descriptor before libuv asks for it; libuv then finds it there and sets the events to watch
    /// for. The watch ends when libuv closes the descriptor or stops polling it.
    ///
    /// - Throws: ``UVError/noSpace`` at the user's limit of watches, ``UVError/outOfMemory``.
    static func reserve(_ descriptor: CInt, on loop: UnsafeMutablePointer<uv_loop_t>) throws(UVError) {
        #if os(Linux)
        try checkErrno(uvloop_reserve_watch(uv_backend_fd(loop), descriptor))
        #endif
    }

    /// Takes the watch of a stream that has just begun to read, instead of libuv's call for it, not before it: every
    /// connection takes a watch, and two more calls would be a twentieth of a connection's cost.
    ///
    /// - Throws: the errors of ``reserve(_:on:)``; the caller stops reading.
    static func take(_ stream: UnsafeMutablePointer<uv_stream_t>) throws(UVError) {
        #if os(Linux)
        try checkErrno(uvloop_take_watch(stream))
        #endif
    }

    /// Takes the watches of the descriptors that a new loop watches itself.
    static func reserveOwn(of loop: UnsafeMutablePointer<uv_loop_t>) throws(UVError) {
        #if os(Linux)
        for descriptor in [loop.pointee.async_io_watcher.fd, loop.pointee.signal_io_watcher.fd] where descriptor >= 0 {
            try reserve(descriptor, on: loop)
        }
        #endif
    }
}
