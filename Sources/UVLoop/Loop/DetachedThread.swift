internal import CLibUV

/// A thread that nobody waits for: it ends by itself when its work is done.
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
    /// - Parameter name: for debuggers; Linux keeps its first 15 bytes.
    /// - Throws: ``UVError/wouldBlock`` when no thread can be made, at a limit of the user's or the container's.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(UVError) {
        // Released by the thread, or below when there is none.
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

    /// A number of the calling thread that no other thread has as long as it lives; never 0.
    ///
    /// Never inlined: the C library declares `pthread_self` as a constant, so that a caller which changes threads, such as an
    /// async function, would compare with a thread it is no longer on.
    @inline(never)
    package static var currentID: UInt {
        #if canImport(Darwin)
        UInt(bitPattern: pthread_self())
        #else
        UInt(pthread_self())
        #endif
    }
}
