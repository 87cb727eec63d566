internal import CLibUV

/// A loop that runs on a thread of its own until it is shut down.
///
/// For hosts without a loop, and for keeping slow work off one. The loop itself is reachable only on its thread, as the
/// argument of submitted jobs.
public final class LoopThread: Sendable {
    private enum State {
        case running(pthread_t)
        case joining
        case ended
    }

    /// The access to the loop; valid even after the thread has ended, when it refuses jobs.
    public let remote: LoopRemote
    private let state: Lock<State>

    /// Starts the thread, which accepts jobs when this returns.
    ///
    /// - Parameter name: the thread's name for debuggers; Linux keeps its first 15 bytes.
    /// - Throws: the errors of ``Loop/init(measuresIdleTime:)``, or ``UVError/wouldBlock`` if no thread can be made.
    public init(name: String = "uvloop") throws(UVError) {
        let loop = try Loop()
        let start = Start(loop: loop, name: name)
        loop.remote.keepAlive(true)
        // The new thread takes this retain over, or the code below releases it if there is no thread.
        let box = Unmanaged.passRetained(start)
        let (status, thread) = LoopThread.createThread(box.toOpaque())
        guard status == 0 else {
            box.release()
            loop.remote.keepAlive(false)
            do { try loop.close() } catch { trap("an unused loop does not close: \(error)") }
            throw UVError(errno: status)
        }
        remote = loop.remote
        state = Lock(.running(thread))
    }

    /// Runs `job` on the loop's thread, on a later tick; returns false once the thread ends.
    @discardableResult
    public func submit(_ job: @escaping @Sendable (Loop) -> Void) -> Bool {
        remote.submit(job)
    }

    /// Ends the thread in order and waits for it: jobs submitted before run, then every open handle is closed and its
    /// completion called, then the loop closes. A ``Loop/stop()`` does not end the thread; only this call does.
    ///
    /// Idempotent; a second caller returns at once. Traps on the loop's own thread, which cannot wait for itself.
    public func shutdown() {
        let thread: pthread_t? = state.withLock { state in
            guard case .running(let thread) = state else { return nil }
            require(pthread_equal(thread, pthread_self()) == 0, "LoopThread.shutdown: called on its own thread")
            state = .joining
            return thread
        }
        guard let thread else { return }
        remote.submit { loop in
            loop.remote.refuseBodies()
            loop.remote.keepAlive(false)
            loop.closeHandles()
            // After this stop the thread runs single ticks and closes the handles they open.
            loop.stop()
        }
        // `pthread_join` cannot fail: the thread is ours, joinable, and joined once.
        _ = pthread_join(thread, nil)
        state.withLock { $0 = .ended }
    }

    private final class Start {
        let loop: Loop
        let name: String

        init(loop: Loop, name: String) {
            self.loop = loop
            self.name = name
        }

        /// The body of the thread. Handles that completions and late jobs open during the shutdown are closed too, tick
        /// by tick: a handle that nobody closes would keep the thread for ever.
        func run() {
            LoopThread.setName(name)
            loop.takeOver()
            // A `stop()` ends a run but not the thread.
            while loop.remote.keepsAlive { loop.run() }
            while true {
                do {
                    try loop.close()
                    return
                } catch {
                    loop.closeHandles()
                    loop.run(.once)
                }
            }
        }
    }

    /// Names the calling thread, for debuggers; a failure is harmless.
    static func setName(_ name: String) {
        #if os(Linux)
        // Linux refuses a name longer than 15 bytes.
        _ = pthread_setname_np(pthread_self(), String(decoding: name.utf8.prefix(15), as: UTF8.self))
        #elseif canImport(Darwin)
        _ = pthread_setname_np(name)
        #endif
    }

    private static func createThread(_ argument: UnsafeMutableRawPointer) -> (CInt, pthread_t) {
        #if canImport(Darwin)
        var thread: pthread_t?
        let status = pthread_create(
            &thread, nil,
            {
                Unmanaged<Start>.fromOpaque($0).takeRetainedValue().run(); return nil
            }, argument)
        return (status, thread ?? pthread_self())
        #else
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            },
            argument,
        )
        return (status, thread)
        #endif
    }
}
