public import KeeperProtocol
public import Logging
public import UVLoop

/// The server's side: starts keepers, writes lines to them, finds them again after a restart, ends them.
///
/// All work happens on one loop, in callbacks on later ticks; no operation throws once the manager exists, except for
/// text that is no id. A manager is used on the loop's thread only. Mirrors the original's `KeeperManager`.
///
/// A session is named by a ``/KeeperProtocol/SessionID``, which may be a literal. Every operation takes text in its
/// place: text that is no id is reported to the completion like any other failure, or, if there is no completion,
/// thrown as a ``/KeeperProtocol/SessionIDError``.
public final class KeeperManager {
    /// The settings of a manager.
    public struct Options {
        /// The sessions directory; nil: `.pi/dashboard/sessions` below `PI_DASHBOARD_HOME` or the home directory.
        public var sessionsDirectory: String?
        /// The sidecar; nil: ``SidecarCommand/find(in:)`` at each start.
        public var sidecar: SidecarCommand?
        /// The shape of the paths; a shape other than this system's is for tests.
        package var platform: KeeperPlatform = .current
        /// The most lines that may wait for a session; more are refused.
        public var maximumWaitingLines = 10_000
        /// The most bytes that may wait for a session, newlines included; more are refused.
        public var maximumWaitingBytes = 67_108_864
        /// The longest line, in bytes, newline included; keepers take 16 MiB unless told otherwise.
        public var maximumLineLength = KeeperConstants.defaultMaximumLineLength
        /// Tells if the child of a live keeper lives, by session and keeper's pid; called on the loop, must not block.
        /// Nil: the child's pid file decides, where absent means alive.
        public var isChildAlive: ((SessionID, Int32?) -> Bool)?
        /// The name by which this manager writes to its sessions; nil: a random one. A host that gives a name, and
        /// keeps a journal of its lines, goes on after its own restart where it stopped
        /// (``Session/resumeWriting(epoch:last:completion:)``).
        public var writer: WriterName?
        /// The longest time, after lines have been sent, in which the loop looks for their acknowledgements without
        /// sleeping; zero: none. A line that is written alone takes a third of the time, and a processor meanwhile: 50
        /// microseconds are enough where keepers answer at once. For hosts that have a processor to spare.
        public var busyPoll = Duration.zero
        /// The time after which a session's unused connections are given up.
        package var idleTime = Duration.seconds(5)
        /// The log of keepers started, found and signalled, and of files removed; silent unless it is set.
        public var logger = Logger(label: "uvkeeper", factory: { _ in SwiftLogNoOpLogHandler() })

        /// The defaults.
        public init() {}
    }

    /// A keeper that this manager may signal once it has been identified anew.
    struct Tracked {
        let pid: Int32
        /// The process of a keeper that was started here; nil for one that was found.
        let process: DetachedProcess?
        /// A time, since the system booted, at which a keeper that was found had this pid, or was about to get it.
        var foundAt = Duration.zero
        /// True for a keeper of ours, false for one of the original's.
        var isOurs = false
    }

    /// The number of sessions, or of queues, that are kept although nobody uses them.
    static let rememberedCount = 1024

    /// The loop on which all work happens.
    public let loop: Loop
    /// The paths of every session.
    public let paths: KeeperPaths
    let options: Options
    var tracked: [SessionID: Tracked] = [:]
    /// The processes started here and not seen to end, tracked or not: their handles belong to the manager.
    var processes: [ObjectIdentifier: DetachedProcess] = [:]
    var queues: [ByteText: SessionQueue] = [:]
    private(set) var sessions: [SessionID: Session] = [:]
    /// The numbers of queues and sessions at which unused ones are looked for: twice as many as the last look left, so
    /// that its cost is in proportion to that of making them.
    var nextQueueLook = KeeperManager.rememberedCount
    private var nextSessionLook = KeeperManager.rememberedCount
    /// The attempts of sessions that were forgotten.
    private(set) var formerAttempts: (all: UInt64, failed: UInt64) = (0, 0)
    /// Sessions that are being ended.
    var stops: [ObjectIdentifier: KeeperStop] = [:]
    /// Starts that wait for the end of a former child, or of the keeper before.
    var starts: [ObjectIdentifier: ProcessWait] = [:]
    /// The second looks at keepers that are about to begin or to end, each with a closure to call when the manager closes.
    var secondLooks: [ObjectIdentifier: (timer: TimerHandle, cancel: () -> Void)] = [:]
    /// The sessions that are being opened, each with the further calls that wait for that.
    var queuedOpenings: [SessionID: [QueuedOpening]] = [:]
    private(set) var isClosed = false
    /// The time of the last pruning of ended sessions, on the monotonic clock.
    var prunedAt: Duration?
    /// The number of live keepers found by the last discovery.
    var discoveredCount: Int?
    /// The logs as the last ``sweepLogs(from:untouchedFor:completion:)`` found them.
    public private(set) var logTotals = LogTotals()

    func noteLogs(_ sweep: LogSweep) {
        var reclaimed = logTotals.reclaimed
        reclaimed.addClamped(sweep.bytesFreed)
        logTotals = LogTotals(
            files: sweep.examined, bytes: sweep.bytes, largest: sweep.largest, reclaimed: reclaimed)
    }

    var logger: Logger { options.logger }

    /// The sessions directory.
    public var sessionsDirectory: String { paths.directory }

    /// Creates a manager; nothing is opened or made yet.
    ///
    /// A relative sessions directory is taken from the working directory as it is now.
    ///
    /// - Throws: ``KeeperError/noSessionsDirectory``; ``KeeperError/file(_:_:)`` if there is no working directory.
    public init(on loop: Loop, options: Options = Options()) throws(KeeperError) {
        self.loop = loop
        self.options = options
        let directory = options.sessionsDirectory ?? KeeperManager.defaultDirectory(options.platform)
        guard let directory, !directory.isEmpty else { throw .noSessionsDirectory }
        do throws(UVError) {
            // A path of the other platform's shape is only for its names, and stays as it is.
            let absolute = options.platform == .posix ? try AbsolutePath.of(directory) : directory
            paths = KeeperPaths(directory: absolute, platform: options.platform)
        } catch {
            throw .file(directory, error)
        }
    }

    deinit {
        for session in sessions.values { session.hasManager = false }
    }

    /// Ends the manager, not its keepers: every line not yet written completes as refused or unknown, waits for keepers
    /// end with ``KeeperError/closed``, stops with ``StopResult/closed``, keepers are no longer watched, and no handle
    /// of the manager stays open. Idempotent, and harmless when the loop has closed.
    public func close() {
        guard !isClosed else { return }
        if !loop.isClosed { loop.preconditionOnThread() }
        isClosed = true
        for session in sessions.values { session.close() }
        sessions = [:]
        for queue in queues.values { queue.close() }
        queues = [:]
        for process in processes.values { process.close() }
        processes = [:]
        for stop in stops.values { stop.cancel() }
        stops = [:]
        for start in starts.values { start.cancel() }
        starts = [:]
        for look in secondLooks.values {
            look.timer.close()
            if !loop.isClosed { look.cancel() }
        }
        secondLooks = [:]
        tracked = [:]
    }

    /// The session of a name, alive or not; the same object each time, as long as it is in use.
    public func session(_ id: SessionID) -> Session {
        if let session = sessions[id] { return session }
        if sessions.count >= nextSessionLook { forgetIdleSessions() }
        let session = Session(id, of: self)
        if isClosed { session.close() } else { sessions[id] = session }
        return session
    }

    /// Forgets sessions that are in use neither here nor by the host.
    private func forgetIdleSessions() {
        for id in Array(sessions.keys) where sessions[id]!.isIdle && isKnownUniquelyReferenced(&sessions[id]!) {
            guard let session = sessions.removeValue(forKey: id) else { continue }
            formerAttempts.all += session.lines.attemptCount
            formerAttempts.failed += session.lines.failedAttemptCount
            session.close()
        }
        nextSessionLook = max(KeeperManager.rememberedCount, 2 * sessions.count)
    }

    /// True if a keeper serves the session, or if that cannot be told, for lack of permission for instance. False for a
    /// keeper whose child is shown to have ended, as in the original: such a keeper is about to end, or frozen. The
    /// answer comes from the lock on the pid file, the process and the socket, and changes nothing.
    public func mayBeAlive(_ session: SessionID) -> Bool {
        let inspection = KeeperInspection(session, paths: paths, child: .end)
        return inspection.finding.mayLive && !inspection.child.isDead
    }

    /// Sends SIGTERM to the session's keeper and returns at once; ``stop(_:ladder:completion:)-(SessionID,_,_)`` waits
    /// for the end. The keeper ends its child, and processes started by it, according to its own settings, and removes
    /// its files. An original keeper gets the signal with its process group. Mirrors `killKeeper`.
    ///
    /// - Returns: false if no signal was sent: the keeper is not tracked (started or discovered by this manager), or
    ///   gone, or others can change the sessions directory. A process that merely has the keeper's former pid is never
    ///   signalled.
    @discardableResult
    public func killKeeper(for session: SessionID) -> Bool {
        if !loop.isClosed { loop.preconditionOnThread() }
        guard let keeper = tracked[session] else { return false }
        do throws(KeeperError) { try checkSessionsDirectory() } catch {
            logger.warning("cannot end keeper", metadata: ["session": "\(session)", "error": "\(error)"])
            return false
        }
        do throws(UVError) {
            guard let hold = try hold(keeper, session) else {
                tracked[session] = nil
                return false
            }
            return terminate(hold, session)
        } catch {
            // No descriptor is left: the process cannot be identified, so the keeper is not forgotten.
            return false
        }
    }

    /// Throws the reason why the sessions directory cannot be used: others can replace it or its contents. The
    /// directory need not exist.
    ///
    /// Every operation that starts, ends, finds, lists or writes to sessions calls this first; programs that open files
    /// in the directory themselves, logs for instance, can call it too.
    ///
    /// - Throws: ``KeeperError/directoryNotPrivate(_:_:)``, ``KeeperError/file(_:_:)``.
    public func checkSessionsDirectory() throws(KeeperError) {
        try KeeperManager.check(paths)
    }

    static func check(_ paths: KeeperPaths) throws(KeeperError) {
        let exposure: DirectoryExposure?
        do throws(UVError) {
            exposure = try PrivateDirectory(paths.directory).exposure
        } catch .noEntry {
            return
        } catch {
            throw .using(paths.directory, error)
        }
        if let exposure { throw .directoryNotPrivate(paths.directory, "\(exposure)") }
    }

    /// The tracked process, held fast; nil if it has ended, whatever process has its pid now.
    ///
    /// A keeper that was started here is recognised by its start time. A process with the pid of a keeper that was
    /// found is that keeper if it had started by then: no two processes have a pid at once. (A discovery reads no start
    /// times: they cost more than all its other work.) If the start time does not decide, for instance because the
    /// keeper was found within its first hundredth of a second, its lock or its socket does.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like, if the process cannot be identified.
    func hold(_ keeper: Tracked, _ session: SessionID) throws(UVError) -> KeeperHold? {
        do throws(UVError) {
            if let process = keeper.process {
                guard process.isRunning else { return nil }
                if let started = process.startTime {
                    let isOurs =
                        keeper.isOurs || KeeperInspection.lockHolder(of: session, paths: paths) == keeper.pid
                    return try KeeperHold(keeper.pid, isOurs: isOurs) { $0.startTime == started }
                }
            } else if let hold = try KeeperHold(
                keeper.pid, isOurs: keeper.isOurs,
                // Both are counted in whole ticks of the system's.
                if: { $0.startTime + .milliseconds(10) <= keeper.foundAt })
            {
                return hold
            }
            guard let hold = try KeeperHold(session, paths: paths), hold.pid == keeper.pid else { return nil }
            return hold
        } catch .noProcess {
            return nil
        }
    }

    /// True if a tracked keeper still runs, or may.
    func mayRun(_ keeper: Tracked, _ session: SessionID) -> Bool {
        do throws(UVError) { return try hold(keeper, session) != nil } catch { return true }
    }

    /// SIGTERM to a process that is known to be a keeper.
    func terminate(_ keeper: KeeperHold, _ session: SessionID) -> Bool {
        // A program may serve a session itself, and must not end itself for it.
        guard keeper.pid != CurrentProcess.id else { return false }
        do throws(UVError) {
            try keeper.terminate()
            logger.info("keeper told to end", metadata: ["session": "\(session)", "pid": "\(keeper.pid)"])
            return true
        } catch {
            logger.warning(
                "cannot end keeper", metadata: ["session": "\(session)", "pid": "\(keeper.pid)", "error": "\(error)"])
            return false
        }
    }

    package static func defaultDirectory(_ platform: KeeperPlatform = .current) -> String? {
        var home = ""
        // If there is no home directory, the variable may still say where the sessions are.
        do throws(UVError) { home = try CurrentProcess.homeDirectory() } catch { home = "" }
        return SessionsDirectory.path(
            environment: ProcessEnvironment.current.variables, home: home, platform: platform)
    }
}

@available(*, unavailable)
extension KeeperManager: Sendable {}
