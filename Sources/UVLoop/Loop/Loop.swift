internal import CLibUV

/// A libuv loop, which waits for events and calls back, all on one thread.
///
/// A loop has one owner, a thread: first the one that made it, then the one that runs it or ran it last. The loop, its
/// handles and objects built on them are used on that thread only. On other threads their methods trap with a sentence,
/// in release builds too; properties do not check, to cost nothing. Other threads reach the loop through ``remote``.
/// ``run(_:)`` and ``close()`` make the calling thread the owner, and so does ``takeOver()``, for a host that uses a
/// loop between its runs from changing threads, one at a time.
///
/// A callback never runs inside the call that requested it. A loop ends with ``close()``; dropping it before leaks it,
/// with a note on stderr in debug builds. Mirrors `uv_loop_t`.
public final class Loop {
    /// The extent of ``Loop/run(_:)``. Mirrors `uv_run_mode`.
    public enum RunMode: Sendable {
        /// Run until no active, referenced handle and no request is left, or ``Loop/stop()`` is called.
        case untilDone
        /// Run one tick, waiting for an event if none is due.
        case once
        /// Run one tick, without waiting.
        case noWait
    }

    /// The C loop. Its memory lives as long as this object, but libuv must not use it once the loop has closed: every
    /// use comes after `requireOwner` or through `openRaw`.
    let raw: UnsafeMutablePointer<uv_loop_t>
    let ticker: Ticker
    let readBuffer: ReadBuffer
    /// The look-ups of this loop that resolvers' threads work on.
    let lookups = PendingLookups()
    private(set) lazy var datagramBuffer = DatagramBuffer()
    #if os(Linux)
    /// The queue of file events; exists while a file is watched on this loop.
    @exclusivity(unchecked) var inotify: Inotify?
    #endif
    /// Unchecked, since it is read at the start of each operation: a check of exclusive access at run time would cost
    /// more than the read.
    @exclusivity(unchecked) private var owner = pthread_self()
    private(set) var isRunning = false
    /// The hook of an embedding host, see `Loop+Embedding.swift`.
    @exclusivity(unchecked) var onChange: (() -> Void)?
    @exclusivity(unchecked) var hasToldChange = false
    /// Nil unless the loop is observed, see `Loop+Health.swift`.
    var meter: HealthMeter?
    /// Meters that have not closed yet.
    var formerMeters: [HealthMeter] = []

    /// The calls around each wait; nil unless an executor runs tasks on this loop.
    var pollHook: PollHook?
    /// The function that runs the jobs of tasks, for an executor on this loop.
    package var runTask: ((UnownedJob) -> Void)?

    /// True if ``close()`` has ended the loop.
    @exclusivity(unchecked) public private(set) var isClosed = false

    /// The access for other threads; usable until the loop is closed.
    public let remote: LoopRemote

    /// Creates a new loop; libuv's default loop, which other code in the process may use, is never touched (H62).
    ///
    /// The descriptors 0, 1 and 2 must be open: otherwise libuv's own descriptors would get these numbers, and libuv
    /// refuses to close them. A program that may be started without them calls ``StandardStreams/openMissing()`` first.
    ///
    /// - Parameter measuresIdleTime: true to count ``idleTime``; costs an extra poll per tick that waits (H64).
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like: a loop needs four descriptors, the first of a process two
    /// more (H68). ``UVError/noSpace`` if the user's watches have run out (H70).
    public init(measuresIdleTime: Bool = false) throws(UVError) {
        let raw = try FirstLoop.make()
        // The call fails only if the option is unknown, and libuv knows it from 1.39 on.
        if measuresIdleTime { _ = uvloop_loop_measure_idle_time(raw) }
        self.raw = raw
        ticker = Ticker(on: raw)
        readBuffer = ReadBuffer()
        do throws(UVError) {
            remote = try LoopRemote(on: raw)
        } catch {
            // The ticker's handles are the only ones. A throwing initialiser does not run `deinit` here, so they are
            // ended now.
            ticker.close()
            while uv_run(raw, UV_RUN_DEFAULT) != 0 {}
            _ = uv_loop_close(raw)
            raw.deallocate()
            throw error
        }
        raw.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        // The first poll registers the remote's descriptor; otherwise a host would be woken for a run that finds
        // nothing.
        remote.whileReferenced { _ = uv_run(raw, UV_RUN_NOWAIT) }
    }

    deinit {
        if isClosed { return raw.deallocate() }
        // Not a trap: the user must see the error that was thrown before.
        assert(Loop.noteLeak())
    }

    private static func noteLeak() -> Bool {
        StandardStreams.writeError("UVLoop: a Loop was released before close(); its descriptors leak\n")
        return true
    }

    // MARK: Running

    /// Runs callbacks on the calling thread as `mode` says; not reentrant (H58).
    ///
    /// SIGPIPE is blocked on the thread meanwhile, so that a write that nobody reads is an error and not the end of the
    /// process; the process's setting for the signal stays as it was. The same holds for a write outside a run. Mirrors
    /// `uv_run`.
    ///
    /// - Returns: true if something is left to do, as is usual after ``stop()``.
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
            // libuv does not even poll if nothing is active, and the remote's handle does not count as active.
            if !isAlive { remote.runJobs(on: self) }
            return uv_run(raw, mode == .once ? UV_RUN_ONCE : UV_RUN_DEFAULT) != 0
        case .noWait:
            // libuv must poll here: otherwise an unreferenced handle or a job would leave the descriptor readable.
            remote.whileReferenced { _ = uv_run(raw, UV_RUN_NOWAIT) }
            return isAlive
        }
    }

    /// Calls `body`, which may write to a broken pipe, with SIGPIPE blocked (H21). Within a run the signal is blocked
    /// already.
    func withoutBrokenPipe<Result>(_ body: () -> Result) -> Result {
        guard !isRunning else { return body() }
        let mask = BrokenPipeMask()
        defer { mask.restore() }
        return body()
    }

    /// Makes ``run(_:)`` return after this tick; called before a run, makes that run return at once (H59).
    /// Mirrors `uv_stop`.
    public func stop() {
        requireOwner()
        uv_stop(raw)
    }

    /// Calls `body` once on the next tick, before the loop waits again; the loop stays alive until then. Mirrors Node's
    /// `setImmediate`.
    public func onNextTick(_ body: @escaping () -> Void) {
        requireOwner()
        ticker.add(body)
        noteChange()
    }

    /// True if ``run(_:)`` would have something to do. Mirrors `uv_loop_alive`.
    public var isAlive: Bool { uv_loop_alive(openRaw) != 0 }

    // MARK: Time and metrics

    /// The loop's cached monotonic time, in milliseconds from an arbitrary start. Mirrors `uv_now`.
    public var now: Duration { .milliseconds(Int64(uv_now(openRaw))) }

    /// Updates ``now`` within a callback that has taken long. Timers update it themselves when they start.
    /// Mirrors `uv_update_time`.
    public func updateTime() { uv_update_time(openRaw) }

    /// The time spent waiting for events; zero unless the loop measures it. Mirrors `uv_metrics_idle_time`.
    public var idleTime: Duration { .nanoseconds(Int64(clamping: uv_metrics_idle_time(openRaw))) }

    // MARK: Ending

    /// The handles that are not fully closed, in no particular order. Mirrors `uv_walk`.
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

    /// Ends the loop and frees its descriptors. Every handle must have been closed, with its close completed, and
    /// requests must have ended (H61). Jobs that ``remote`` accepted run first; handles opened by a job that another
    /// thread submits during the close itself are closed at once. Mirrors `uv_loop_close`.
    ///
    /// - Throws: ``LoopStillOpen`` with a list of the open handles; the loop is unharmed and can be run and closed
    /// again.
    public func close() throws(LoopStillOpen) {
        require(!isClosed, "Loop.close: the loop is closed")
        require(!isRunning, "Loop.close: the loop is running")
        owner = pthread_self()
        // The flag keeps the jobs and completions called below from running or closing the loop.
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
        // The last jobs may have opened handles. A single run is not enough after a `stop()`, which makes the next run
        // return at once.
        repeat {
            closeHandles()
            _ = uv_run(raw, UV_RUN_DEFAULT)
        } while isAlive || !openHandles.isEmpty
        isClosed = true
        remote.close()
        ticker.close()
        pollHook?.close()
        pollHook = nil
        // Only the loop's own handles are left, so this ends as soon as their closes are done.
        while uv_run(raw, UV_RUN_DEFAULT) != 0 {}
        let status = uv_loop_close(raw)
        require(status == 0, "Loop.close: \(UVError(rawValue: status)) although nothing was open")
    }

    /// Closes every open handle; their completions run on later ticks, and ``Handle/onCanceled`` tells their owners.
    /// ``run(_:)`` then returns when all are closed, unless a completion opens something new.
    public func closeHandles() {
        requireOwner()
        for handle in openHandles { handle.cancel() }
    }

    // MARK: Threads (H57: only `uv_async_send` may be called from others)

    /// Makes the calling thread the owner of a loop that does not run. For a host that uses a loop between two runs
    /// from another thread than the one that ran it last, as a serial dispatch queue does. The threads must ensure that
    /// one of them uses the loop at a time.
    public func takeOver() {
        require(!isClosed, "Loop.takeOver: the loop is closed")
        require(!isRunning, "Loop.takeOver: the loop is running")
        owner = pthread_self()
    }

    /// Traps if the loop is closed, or if the calling thread does not own it. For types built on a loop, at the start
    /// of their operations.
    public func preconditionOnThread() { requireOwner() }

    /// Traps if the loop is closed or owned by another thread.
    ///
    /// Never inlined: the C library declares `pthread_self` as a constant, so the caller could reuse its value. A
    /// caller that changes threads, such as an async function, would then compare with a thread it is no longer on.
    @inline(never)
    func requireOwner() {
        if pthread_equal(owner, pthread_self()) == 0 || isClosed { refuse() }
    }

    @inline(never)
    private func refuse() -> Never {
        if isClosed { trap("the loop is closed") }
        trap("a Loop and its handles are used on the loop's thread only; from others use Loop.remote")
    }

    /// The C loop for calls of libuv, checked.
    var openRaw: UnsafeMutablePointer<uv_loop_t> {
        requireOwner()
        return raw
    }
}

@available(*, unavailable)
extension Loop: Sendable {}

/// The open handles and requests that kept a loop from closing.
public struct LoopStillOpen: Error, CustomStringConvertible, Sendable {
    /// The open handles: for each its type, and if it is active or closing.
    public let handles: [String]
    /// The number of writes and thread pool jobs under way.
    public let requests: Int
    /// The number of callbacks waiting for the next tick.
    public let waitingCallbacks: Int

    /// The open handles in words, with the remedy.
    public var description: String {
        "the loop is still open: handles [\(handles.joined(separator: ", "))], \(requests) requests, "
            + "\(waitingCallbacks) callbacks for the next tick; close the handles and run the loop until it is done"
    }
}
