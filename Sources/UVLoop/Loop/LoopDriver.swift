/// Runs a loop on the thread, or the serial queue, of another one: a round whenever the loop has something to do, and only then.
///
/// Everything of the loop is used on the host, within rounds or between them. On the host the driver is started, before
/// anything else is done with the loop, and stopped, before the loop is closed. For a `DispatchQueue` the product
/// `UVLoopDispatch` has the host ready.
public final class LoopDriver {
    /// The services of another loop. Its closures are called on the host, but for `execute`, which is called on any thread.
    public struct Host {
        let execute: @Sendable (_ body: @escaping @Sendable () -> Void) -> Void
        let schedule: (_ delay: Duration, _ body: @escaping @Sendable () -> Void) -> () -> Void
        let watch: ((_ descriptor: Int32, _ body: @escaping @Sendable () -> Void) throws(UVError) -> () -> Void)?

        /// - Parameters:
        ///   - execute: has a body called on the host soon, and never within this call.
        ///   - schedule: has a body called on the host after a time; what it returns cancels that.
        ///   - watch: has a body called on the host as often as a descriptor is readable, until what it returns is called. Nil
        ///     for a host that watches no descriptor of somebody else's, as SwiftNIO: a thread of UVLoop's own does then.
        public init(
            execute: @escaping @Sendable (_ body: @escaping @Sendable () -> Void) -> Void,
            schedule: @escaping (_ delay: Duration, _ body: @escaping @Sendable () -> Void) -> () -> Void,
            watch: ((_ descriptor: Int32, _ body: @escaping @Sendable () -> Void) throws(UVError) -> () -> Void)? = nil,
        ) {
            self.execute = execute
            self.schedule = schedule
            self.watch = watch
        }
    }

    private enum State {
        case new
        case watched(endOfWatch: () -> Void)
        /// A thread waits for the descriptor; `isArmed`: it has not yet told.
        case watchedByThread(LoopThread, isArmed: Bool)
        case stopped
    }

    /// Crosses threads in the closures of a host, and is touched on the host alone.
    private struct Hosted: @unchecked Sendable { weak var driver: LoopDriver? }

    private let loop: Loop
    private let host: Host
    private var state = State.new
    private var cancelTimer: (() -> Void)?
    /// How many rounds it has run.
    public private(set) var rounds = 0

    /// Does nothing before ``start()``.
    public init(_ loop: Loop, on host: Host) {
        self.loop = loop
        self.host = host
    }

    deinit { require(!isRunning, "LoopDriver: it was let go of without stop()") }

    private var isRunning: Bool {
        switch state {
        case .new, .stopped: false
        case .watched, .watchedByThread: true
        }
    }

    /// Begins to run the loop, with a first round within this call. Once only.
    ///
    /// - Throws: ``UVError/wouldBlock`` and its like if the thread that watches cannot be made, and what the host's `watch` throws;
    ///   nothing has begun then.
    public func start() throws(UVError) {
        guard case .new = state else { trap("LoopDriver.start: it was started already") }
        let round = body { $0.round() }
        if let watch = host.watch {
            state = .watched(endOfWatch: try watch(loop.backendDescriptor, round))
        } else {
            state = .watchedByThread(try LoopThread(name: "uvloop-watch"), isArmed: false)
        }
        // A timer or the like that is begun outside of a round.
        loop.onBackendChange = { [host] in host.execute(round) }
        self.round()
    }

    /// Runs the loop no more, from this call on; within a round it is the last one. What is open on the loop stays so: the
    /// caller closes it, and runs the loop to its end, as one without a driver. Idempotent.
    public func stop() {
        switch state {
        case .new, .stopped: break
        case .watched(let endWatch): endWatch()
        // Waits for the thread, which waits for nothing.
        case .watchedByThread(let thread, _): thread.shutdown()
        }
        state = .stopped
        cancelTimer.take()?()
        loop.onBackendChange = nil
    }

    private func body(_ body: @escaping @Sendable (LoopDriver) -> Void) -> @Sendable () -> Void {
        let hosted = Hosted(driver: self)
        return { if let driver = hosted.driver { body(driver) } }
    }

    private func round() {
        guard isRunning, !loop.isRunning else { return }
        rounds += 1
        // The queue's thread may be another one than before.
        loop.takeOver()
        loop.run(.noWait)
        guard isRunning else { return }
        cancelTimer.take()?()
        if let timeout = loop.backendTimeout { cancelTimer = host.schedule(timeout, body { $0.round() }) }
        arm()
    }

    /// Has the thread tell once that the descriptor is readable.
    private func arm() {
        guard case .watchedByThread(let thread, isArmed: false) = state else { return }
        state = .watchedByThread(thread, isArmed: true)
        let tell = body { driver in
            guard case .watchedByThread(let thread, _) = driver.state else { return }
            driver.state = .watchedByThread(thread, isArmed: false)
            driver.round()
        }
        thread.submit { [descriptor = loop.backendDescriptor, host = host.execute] loop in
            do throws(UVError) {
                try PollHandle(descriptor: descriptor, on: loop).start(.readable) { watch, _, _ in
                    watch.close()
                    host(tell)
                }
            } catch {
                trap("LoopDriver: a loop's descriptor cannot be watched: \(error)")
            }
        }
    }
}

@available(*, unavailable)
extension LoopDriver: Sendable {}
