internal import CLibUV

/// One libuv loop: it waits for events and calls back, all on one thread.
///
/// A loop has one owner, a thread: the one that made it, then the one that runs it or ran it last. The loop, its handles
/// and what is built on them are used there only. Elsewhere their methods trap with a sentence, in release builds too;
/// properties, which cost nothing, do not check. Other threads reach the loop through ``remote``. ``run(_:)`` and
/// ``close()`` make the calling thread the owner, and so does ``takeOver()``, for a host that uses a loop between its runs
/// from changing threads, one at a time.
///
/// A callback never runs inside the call that requested it. A loop ends with ``close()``; dropping one that was not closed
/// leaks it, with a note on stderr in debug builds. Mirrors `uv_loop_t`.
public final class Loop {
    /// How long ``Loop/run(_:)`` runs. Mirrors `uv_run_mode`.
    public enum RunMode: Sendable {
        /// Until no active, referenced handle and no request is left, or ``Loop/stop()`` is called.
        case untilDone
        /// One tick, waiting for an event if none is due.
        case once
        /// One tick, without waiting.
        case noWait
    }

    /// The C loop. Its memory lives as long as this object, but once the loop has closed libuv must not be given it:
    /// every use comes after `requireOwner` or through `openRaw`.
    let raw: UnsafeMutablePointer<uv_loop_t>
    let ticker: Ticker
    let readBuffer: ReadBuffer
    /// What resolvers' threads work on for this loop.
    let lookups = PendingLookups()
    private(set) lazy var datagramBuffer = DatagramBuffer()
    #if os(Linux)
    /// The queue of file events; it exists while something of this loop is watched.
    @exclusivity(unchecked) var inotify: Inotify?
    #endif
    /// Read at every door; a check of exclusive access at run time each time would cost more than the reading.
    @exclusivity(unchecked) private var owner = pthread_self()
    private(set) var isRunning = false
    /// See `Loop+Embedding.swift`.
    @exclusivity(unchecked) var onChange: (() -> Void)?
    @exclusivity(unchecked) var hasToldChange = false
    /// Nil unless the loop is observed, see `Loop+Health.swift`.
    var meter: HealthMeter?
    /// Those that have not closed yet.
    var formerMeters: [HealthMeter] = []

    /// Runs the jobs of tasks, for an executor on this loop.
    package var runTask: ((UnownedJob) -> Void)?

    /// True if ``close()`` has ended the loop.
    @exclusivity(unchecked) public private(set) var isClosed = false

    /// The door for other threads; it works until the loop is closed.
    public let remote: LoopRemote

    /// Creates a loop of its own; the default loop of libuv, which anything in the process may use, is never touched
    /// (H62).
    ///
    /// The descriptors 0, 1 and 2 must be open, or libuv's own would take their place, and it refuses to close those: a
    /// program that may be started without them calls ``StandardStreams/openMissing()`` first.
    ///
    /// - Parameter measuresIdleTime: whether ``idleTime`` counts; costs an extra poll per tick that waits (H64).
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like: a loop needs four descriptors, the first of a process two more
    ///   (H68). ``UVError/noSpace`` when the user's watches have run out (H70).
    public init(measuresIdleTime: Bool = false) throws(UVError) {
        let raw = try FirstLoop.make()
        // Fails only where the option is unknown, and it is known from libuv 1.39 on.
        if measuresIdleTime { _ = uvloop_loop_measure_idle_time(raw) }
        self.raw = raw
        ticker = Ticker(on: raw)
        readBuffer = ReadBuffer()
        do throws(UVError) {
            remote = try LoopRemote(on: raw)
        } catch {
            // Only the ticker's handles exist; a throwing initialiser does not run `deinit` here, so they are ended now.
            ticker.close()
            while uv_run(raw, UV_RUN_DEFAULT) != 0 {}
            _ = uv_loop_close(raw)
            raw.deallocate()
            throw error
        }
        raw.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        // Has the system told what the remote waits for, or a host would be asked for a round that finds nothing.
        remote.whileReferenced { _ = uv_run(raw, UV_RUN_NOWAIT) }
    }

    deinit {
        if isClosed { return raw.deallocate() }
        // No trap: an error that was thrown since is what the user must see.
        assert(Loop.noteLeak())
    }

    private static func noteLeak() -> Bool {
        StandardStreams.writeError("UVLoop: a Loop was released before close(); its descriptors leak\n")
        return true
    }

    // MARK: Running

    /// Runs callbacks on the calling thread as told by `mode`; not reentrant (H58).
    ///
    /// SIGPIPE is blocked on the thread meanwhile, so a write that nobody reads is an error and not the end of the
    /// process; what the process does with the signal elsewhere stays as it was. The same holds for a write outside a
    /// run. Mirrors `uv_run`.
    ///
    /// - Returns: whether something is left to do, which after ``stop()`` is usual.
    @discardableResult
    public func run(_ mode: RunMode = .untilDone) -> Bool {
        require(!isClosed, "Loop.run: the loop is closed")
        require(!isRunning, "Loop.run: the loop is running already")
        owner = pthread_self()
        isRunning = true
        hasToldChange = false
        defer { isRunning = false }
        let mask = BrokenPipeMask()
        defer { mask.restore() }
        meter?.runBegins()
        defer { meter?.runEnds() }
        switch mode {
        case .untilDone, .once:
            // libuv does not even look for events when nothing is active, and the remote's handle does not count.
            if !isAlive { remote.runJobs(on: self) }
            return uv_run(raw, mode == .once ? UV_RUN_ONCE : UV_RUN_DEFAULT) != 0
        case .noWait:
            // Here it must look: the descriptor would stay readable else, for an unreferenced handle or a job.
            remote.whileReferenced { _ = uv_run(raw, UV_RUN_NOWAIT) }
            return isAlive
        }
    }

    /// Calls `body`, which may write to a broken pipe, with SIGPIPE blocked: nothing to do within a run (H21).
    func withoutBrokenPipe<Result>(_ body: () -> Result) -> Result {
        guard !isRunning else { return body() }
        let mask = BrokenPipeMask()
        defer { mask.restore() }
        return body()
    }

    /// Makes ``run(_:)`` return after this tick; called before a run, it makes that run return at once (H59).
    /// Mirrors `uv_stop`.
    public func stop() {
        requireOwner()
        uv_stop(raw)
    }

    /// Calls `body` once on the next tick, before the loop waits again; the loop stays alive until then. This is Node's
    /// `setImmediate`.
    public func onNextTick(_ body: @escaping () -> Void) {
        requireOwner()
        ticker.add(body)
        noteChange()
    }

    /// Whether ``run(_:)`` would have something to do. Mirrors `uv_loop_alive`.
    public var isAlive: Bool { uv_loop_alive(openRaw) != 0 }

    // MARK: Time and metrics

    /// The loop's cached monotonic time, from an arbitrary start, in milliseconds. Mirrors `uv_now`.
    public var now: Duration { .milliseconds(Int64(uv_now(openRaw))) }

    /// Brings ``now`` up to date within a callback that has taken long. Timers do it by themselves when they start.
    /// Mirrors `uv_update_time`.
    public func updateTime() { uv_update_time(openRaw) }

    /// Time spent waiting for events; zero unless the loop measures it. Mirrors `uv_metrics_idle_time`.
    public var idleTime: Duration { .nanoseconds(Int64(clamping: uv_metrics_idle_time(openRaw))) }

    // MARK: Ending

    /// The handles that exist and are not fully closed, in no particular order. Mirrors `uv_walk`.
    public var openHandles: [Handle] {
        final class Found { var handles: [Handle] = [] }
        let found = Found()
        uv_walk(
            openRaw,
            { raw, found in
                // The loop's own handles carry no data.
                guard let data = raw!.pointee.data else { return }
                object(found!, as: Found.self).handles.append(object(data))
            },
            Unmanaged.passUnretained(found).toOpaque(),
        )
        return found.handles.filter { handle in
            meter?.owns(handle) != true && !formerMeters.contains { $0.owns(handle) }
        }
    }

    /// Ends the loop and frees its descriptors. Every handle must have been closed and its close have completed; requests
    /// must have ended (H61). Jobs that ``remote`` accepted run first; handles opened by a job that another thread submits
    /// during the close itself are closed at once. Mirrors `uv_loop_close`.
    ///
    /// - Throws: ``LoopStillOpen`` with a list of what is open; the loop is unharmed and can be run and closed again.
    public func close() throws(LoopStillOpen) {
        require(!isClosed, "Loop.close: the loop is closed")
        require(!isRunning, "Loop.close: the loop is running")
        owner = pthread_self()
        // The jobs and completions called below are on the loop, and must neither run nor close it.
        isRunning = true
        defer { isRunning = false }
        let mask = BrokenPipeMask()
        defer { mask.restore() }
        remote.runJobs(on: self)
        let open = openHandles
        guard open.isEmpty, ticker.isEmpty, raw.pointee.active_reqs.count == 0 else {
            throw LoopStillOpen(
                handles: open.map { "\($0.publicName)\($0.isClosing ? " (closing)" : $0.isActive ? " (active)" : "")" },
                requests: Int(raw.pointee.active_reqs.count),
                waitingCallbacks: ticker.count,
            )
        }
        remote.shut(on: self)
        stopObserving()
        // The last jobs may have opened something. More than one run is needed after a `stop()`, which makes the next
        // run return at once.
        repeat {
            closeHandles()
            _ = uv_run(raw, UV_RUN_DEFAULT)
        } while isAlive || !openHandles.isEmpty
        isClosed = true
        remote.close()
        ticker.close()
        // Nothing but the loop's own handles is left, so this ends as soon as their closes are done.
        while uv_run(raw, UV_RUN_DEFAULT) != 0 {}
        let status = uv_loop_close(raw)
        require(status == 0, "Loop.close: \(UVError(rawValue: status)) although nothing was open")
    }

    /// Closes every open handle; their completions run on later ticks, and owners are told by ``Handle/onCanceled``. After
    /// it, ``run(_:)`` returns when all are closed unless a completion opens something new.
    public func closeHandles() {
        requireOwner()
        for handle in openHandles { handle.cancel() }
    }

    // MARK: Threads (H57)

    /// Makes the calling thread the owner of a loop that does not run: for a host that uses it between two runs from
    /// another thread than the one that ran it last, as a serial dispatch queue does. The threads must have agreed that
    /// one of them uses it at a time.
    public func takeOver() {
        require(!isClosed, "Loop.takeOver: the loop is closed")
        require(!isRunning, "Loop.takeOver: the loop is running")
        owner = pthread_self()
    }

    /// Traps when the loop is closed, or called on a thread that does not own it. For types built on a loop, at their
    /// doors.
    public func preconditionOnThread() { requireOwner() }

    /// Never inlined: the C library declares `pthread_self` as a constant, so that a caller which changes threads, such as
    /// an async function, would compare with a thread it is no longer on.
    @inline(never)
    func requireOwner() {
        if pthread_equal(owner, pthread_self()) == 0 || isClosed { refuse() }
    }

    @inline(never)
    private func refuse() -> Never {
        if isClosed { trap("the loop is closed") }
        trap("a Loop and its handles are used on the loop's thread only; from others use Loop.remote")
    }

    /// The C loop, for libuv.
    var openRaw: UnsafeMutablePointer<uv_loop_t> {
        requireOwner()
        return raw
    }
}

@available(*, unavailable)
extension Loop: Sendable {}

/// What kept a loop from closing.
public struct LoopStillOpen: Error, CustomStringConvertible, Sendable {
    /// One entry per open handle: its type, and whether it is active or closing.
    public let handles: [String]
    /// Writes and jobs of the thread pool under way.
    public let requests: Int
    /// Callbacks waiting for the next tick.
    public let waitingCallbacks: Int

    /// What is open, and what to do about it.
    public var description: String {
        "the loop is still open: handles [\(handles.joined(separator: ", "))], \(requests) requests, "
            + "\(waitingCallbacks) callbacks for the next tick; close the handles and run the loop until it is done"
    }
}
