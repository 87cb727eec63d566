internal import KeeperProtocol
public import UVLoop

/// A process that outlives this program: in a session of its own, without a window, with an empty stdin unless it is
/// given one.
///
/// Mirrors the original's `spawnDetached` and the two waits that go with it.
public final class DetachedProcess {
    /// The process's pid, which is its process group too.
    public let pid: Int32
    /// The time of its start, since the system booted; nil if the system does not tell. Pid and start time together
    /// tell this process from a later one with the same pid.
    public let startTime: Duration?
    private let loop: Loop
    private var watch = Watch.closed
    /// The pauses before the tries to watch the process by its lock.
    private var pauses: Backoff?
    private var waits: [ObjectIdentifier: Wait] = [:]
    /// Called once when the process has ended, before the waits are told.
    var onExit: ((DetachedProcess, ProcessExit) -> Void)?

    /// The way in which the end of the process is noticed.
    private enum Watch {
        case child(ChildProcess)
        case lock(LockWatch)
        case ended(ProcessExit)
        /// Not at all.
        case closed
    }

    /// The result of a wait.
    public enum WaitResult: Hashable, Sendable {
        /// The process runs and, for a wait that probes, is ready.
        case running
        /// The process has ended.
        case ended(ProcessExit)
        /// The process runs, and was not ready in time.
        case timedOut
        /// The wait was given up by this program, or its loop has closed all handles.
        case canceled
    }

    /// Starts the process; the loop does not wait for it.
    ///
    /// - Parameters:
    ///   - input: the descriptor of its stdin; the caller still owns it.
    ///   - output: the descriptor of its stdout and stderr; the caller still owns it.
    init(
        _ configuration: ChildProcess.Configuration, input: Int32? = nil, output: Int32?, on loop: Loop,
    ) throws(SpawnError) {
        var configuration = configuration
        let input: ChildProcess.Stdio = input.map { .descriptor($0) } ?? .ignore
        let output: ChildProcess.Stdio = output.map { .descriptor($0) } ?? .ignore
        configuration.stdio = [input, output, output]
        configuration.flags.formUnion([.detached, .hideWindow])
        final class Relay { weak var process: DetachedProcess? }
        let relay = Relay()
        let child = try ChildProcess(configuration, on: loop) { _, status in relay.process?.ended(status) }
        pid = child.pid
        startTime = ProcessDetails(of: pid)?.startTime
        self.loop = loop
        relay.process = self
        watch(child)
    }

    private func watch(_ child: ChildProcess) {
        child.unref()
        child.onCanceled = { [weak self] _ in self?.close() }
        watch = .child(child)
    }

    /// True as long as the process has not been seen to end.
    public var isRunning: Bool { exitStatus == nil }

    /// The end of the process; nil while it runs.
    public var exitStatus: ProcessExit? { if case .ended(let status) = watch { status } else { nil } }

    /// True if the end of the process will be reported.
    private var isWatched: Bool {
        switch watch {
        case .child(let child): child.isRunning
        case .lock(let lock): lock.isWatching
        case .ended, .closed: false
        }
    }

    /// Waits until the process has lived this long, or has ended; `completion` runs once, on a later tick.
    public func waitForNoCrash(window: Duration, completion: @escaping (WaitResult) -> Void) {
        wait(deadline: window) { result in completion(result == .timedOut ? .running : result) }
    }

    /// Waits until `probe` returns true, the process has ended, or the deadline passes; `completion` runs once, on a
    /// later tick. The probe is called after 1 ms, then less and less often, down to every 25 ms.
    public func waitForReady(
        probe: @escaping () -> Bool,
        deadline: Duration,
        completion: @escaping (WaitResult) -> Void,
    ) {
        wait(probe: probe, deadline: deadline, completion: completion)
    }

    /// Stops watching the process, which runs on: waits end as canceled on the next tick, and its end is not reported.
    /// A process that ends before this program stays a zombie until then (H47: closed watchers leave zombies).
    /// Idempotent.
    public func close() {
        onExit = nil
        pauses?.close()
        pauses = nil
        switch watch {
        case .child(let child): child.close()
        case .lock(let lock): lock.close()
        case .ended, .closed: break
        }
        if exitStatus == nil { watch = .closed }
        for wait in waits.values { wait.cancel() }
    }

    private func wait(probe: (() -> Bool)? = nil, deadline: Duration, completion: @escaping (WaitResult) -> Void) {
        if let exitStatus { return loop.onNextTick { completion(.ended(exitStatus)) } }
        // The process is no longer watched, so its end would not be reported.
        guard isWatched else { return loop.onNextTick { completion(.canceled) } }
        let wait = Wait(on: loop, probe: probe, deadline: deadline)
        let id = ObjectIdentifier(wait)
        waits[id] = wait
        wait.start { [self] result in
            waits[id] = nil
            completion(result)
        }
    }

    // MARK: Watching without a descriptor

    /// Gives the process's descriptor up once the process is a keeper that has settled, and holds the lock on its pid
    /// file: the system then tells when the lock ends. Until that, and if it is never so, nothing changes.
    func rest(asKeeperAt pidFile: String) {
        pauses = Backoff(from: KeeperConstants.crashWindow + .milliseconds(50), to: .seconds(30), on: loop)
        rest(asKeeperAt: pidFile, tries: 10)
    }

    private func rest(asKeeperAt pidFile: String, tries: Int) {
        pauses?.start(isReferenced: false) { [weak self] in
            guard let self else { return }
            guard !watchLock(on: pidFile), tries > 1 else {
                pauses?.close()
                return pauses = nil
            }
            rest(asKeeperAt: pidFile, tries: tries - 1)
        }
    }

    /// Watches the lock in place of the child, if that is possible now.
    private func watchLock(on pidFile: String) -> Bool {
        guard case .child(let child) = watch, child.isRunning, child.hasPidfd, let startTime,
            let lock = LockWatch(
                pid, startedAt: startTime, at: pidFile, on: loop,
                handover: { [self] (process) throws(UVError) in try resume(process) })
        else { return false }
        lock.unref()
        lock.onCanceled = { [weak self] in self?.close() }
        child.close()
        watch = .lock(lock)
        return true
    }

    /// Watches the child again, which has ended or may soon.
    private func resume(_ process: ProcessDescriptor?) throws(UVError) {
        guard let process else { return ended(.unknown) }
        watch(try ChildProcess(resuming: process, on: loop) { [self] _, status in ended(status) })
    }

    private func ended(_ status: ProcessExit) {
        watch = .ended(status)
        pauses?.close()
        pauses = nil
        onExit?(self, status)
        onExit = nil
        for wait in Array(waits.values) { wait.end(.ended(status)) }
    }

    /// A wait: a timer that probes, and a deadline.
    private final class Wait {
        private let timer: TimerHandle
        private let probe: (() -> Bool)?
        private let end: Duration
        private var pause = Duration.milliseconds(1)
        private var completion: ((WaitResult) -> Void)?

        init(on loop: Loop, probe: (() -> Bool)?, deadline: Duration) {
            timer = TimerHandle(on: loop)
            self.probe = probe
            end = SystemClock.deadline(in: deadline)
            timer.onCanceled = { [weak self] in self?.end(.canceled) }
        }

        func start(_ completion: @escaping (WaitResult) -> Void) {
            self.completion = completion
            next()
        }

        func end(_ result: WaitResult) {
            guard let completion else { return }
            self.completion = nil
            timer.close()
            completion(result)
        }

        func cancel() {
            guard let completion else { return }
            self.completion = nil
            timer.close()
            timer.loop.onNextTick { completion(.canceled) }
        }

        private func next() {
            let left = end - SystemClock.monotonicTime
            let delay = probe == nil ? left : min(left, pause)
            pause = min(pause * 2, .milliseconds(25))
            timer.start(after: max(.zero, delay)) { [weak self] _ in self?.fired() }
        }

        private func fired() {
            if let probe, probe() { return end(.running) }
            // The probe may have closed the process.
            guard completion != nil else { return }
            if SystemClock.monotonicTime >= end { return end(.timedOut) }
            next()
        }
    }
}

@available(*, unavailable)
extension DetachedProcess: Sendable {}

extension Loop {
    /// Starts a process that outlives this program; see ``DetachedProcess``.
    ///
    /// - Parameters:
    ///   - configuration: its stdio and flags are replaced: `input` on stdin, `output` on stdout and stderr, detached,
    ///     window hidden.
    ///   - input: a descriptor that stays the caller's; nil: nothing to read.
    ///   - output: a descriptor that stays the caller's; nil: output is discarded.
    public func spawnDetached(
        _ configuration: ChildProcess.Configuration,
        input: Int32? = nil,
        output: Int32? = nil,
    ) throws(SpawnError) -> DetachedProcess {
        try DetachedProcess(configuration, input: input, output: output, on: self)
    }
}
