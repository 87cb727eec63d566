internal import CLibUV

/// A thread without an owner, which ends when its work is done.
package enum DetachedThread {
    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Runs `body` on a new thread, on which every signal is blocked.
    ///
    /// - Parameter name: the thread's name for debuggers; Linux keeps its first 15 bytes.
    /// - Throws: ``UVError/wouldBlock`` if no thread can be made, at a limit of the user's or the container's.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(UVError) {
        // The thread releases this retain, or the code below does if there is no thread.
        let start = Unmanaged.passRetained(Start(name, body))
        let status = uvloop_start_detached_thread(
            { start in
                let start = Unmanaged<Start>.fromOpaque(start!).takeRetainedValue()
                LoopThread.setName(start.name)
                start.body()
                return nil
            },
            start.toOpaque(),
        )
        guard status == 0 else {
            start.release()
            throw UVError(errno: status)
        }
    }

    /// A number of the calling thread that no other thread has during its life; never 0.
    ///
    /// Never inlined: the C library declares `pthread_self` as a constant, so the caller could reuse its value. A
    /// caller that changes threads, such as an async function, would then compare with a thread it is no longer on.
    @inline(never)
    package static var currentID: UInt {
        #if canImport(Darwin)
        UInt(bitPattern: pthread_self())
        #else
        UInt(pthread_self())
        #endif
    }
}
