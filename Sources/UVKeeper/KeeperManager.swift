public import KeeperProtocol
public import Logging
public import UVLoop

/// The server's side: starts keepers, writes lines to them, finds them again after a restart, ends them.
///
/// Everything happens on one loop, in callbacks on later ticks; nothing throws once the manager exists. Used on the loop's
/// thread only. Mirrors the original's `KeeperManager`.
public final class KeeperManager {
    /// How a manager behaves.
    public struct Options {
        /// Where the sessions are; nil: `.pi/dashboard/sessions` below `PI_DASHBOARD_HOME` or the home directory.
        public var sessionsDirectory: String?
        /// The sidecar; nil: ``SidecarCommand/find(in:)`` at each start.
        public var sidecar: SidecarCommand?
        /// Whose shape the paths have.
        public var platform: KeeperPlatform = .current
        /// Lines that may wait for one session; more are refused.
        public var maximumWaitingLines = 10_000
        /// Bytes that may wait for one session; more are refused.
        public var maximumWaitingBytes = 67_108_864
        /// The longest line, in bytes, newline included; keepers take 16 MiB unless told otherwise.
        public var maximumLineLength = KeeperConstants.defaultMaximumLineLength
        /// Whether the child of a live keeper lives, by session and keeper's pid; called on the loop, must not block.
        /// Nil: by the child-pid file, where absent means alive.
        public var isChildAlive: ((SessionID, Int32?) -> Bool)?
        /// Where to note what was started, found, signalled and removed; silent without.
        public var logger: Logger?

        /// The defaults.
        public init() {}
    }

    /// A keeper this manager may signal once it has been identified anew.
    struct Tracked {
        let pid: Int32
        /// Of a keeper that was started here; nil for one that was found.
        let process: DetachedProcess?
        /// A time, since the system booted, at which a keeper that was found had, or was about to get, this pid.
        var foundAt = Duration.zero
    }

    /// The loop everything happens on.
    public let loop: Loop
    /// The paths of every session.
    public let paths: KeeperPaths
    let options: Options
    let logger: Logger
    var tracked: [SessionID: Tracked] = [:]
    /// Started here and not seen to end, tracked or not: their handles are the manager's.
    var processes: [ObjectIdentifier: DetachedProcess] = [:]
    var queues: [String: SessionQueue] = [:]
    /// Keepers that are being stopped.
    var stops: [ObjectIdentifier: Processes.Kill] = [:]
    private(set) var isClosed = false

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
        logger = options.logger ?? Logger(label: "uvkeeper", factory: { _ in SwiftLogNoOpLogHandler() })
        let directory = options.sessionsDirectory ?? KeeperManager.defaultDirectory(options.platform)
        guard let directory, !directory.isEmpty else { throw .noSessionsDirectory }
        do throws(UVError) {
            // A path of the other platform's shape, for its names only, stays as it is.
            let absolute = options.platform == .posix ? try AbsolutePath.of(directory) : directory
            paths = KeeperPaths(directory: absolute, platform: options.platform)
        } catch {
            throw .file(directory, error)
        }
    }

    /// Ends the manager, not its keepers: every line not yet written completes as refused or unknown, waits for keepers
    /// end with ``KeeperError/closed``, stops with ``StopResult/closed``, keepers are watched no more, and no handle of the
    /// manager stays open. Idempotent, and harmless when the loop has closed.
    public func close() {
        guard !isClosed else { return }
        if !loop.isClosed { loop.preconditionOnThread() }
        isClosed = true
        for queue in queues.values { queue.close() }
        queues = [:]
        for process in processes.values { process.close() }
        processes = [:]
        for stop in stops.values { stop.cancel() }
        stops = [:]
        tracked = [:]
    }

    /// Whether a keeper serves the session, found out without changing anything: by the lock on its pid file, its process,
    /// its socket. False for an invalid id.
    public func isKeeperAlive(for id: String) -> Bool {
        guard let session = try? SessionID(id) else { return false }
        return KeeperInspection.finding(session, paths: paths).mayLive
    }

    /// Sends SIGTERM to the process group of the session's keeper, which then kills its child and removes its files.
    ///
    /// - Returns: false when the keeper is not tracked (started or discovered by this manager), or gone: then nothing was
    ///   signalled. A process that merely has the keeper's former pid is never signalled, nor any pid below 2.
    @discardableResult
    public func killKeeper(for id: String) -> Bool {
        if !loop.isClosed { loop.preconditionOnThread() }
        guard let session = try? SessionID(id), let keeper = tracked[session] else { return false }
        guard isStillItself(keeper, session) else {
            // Without a descriptor nothing can be told of any process, not even of this one, and nothing is forgotten.
            if ProcessDetails(of: Processes.currentID) != nil { tracked[session] = nil }
            return false
        }
        return terminate(keeper.pid, session)
    }

    /// Whether the pid still belongs to the process it belonged to when it was tracked.
    ///
    /// Of a keeper that was started here, the start time tells. One that was found is that keeper if it had started by then:
    /// no two processes have a pid at once. (A discovery reads no start times: they cost more than all else.) If the system
    /// does not tell (or did not at the start, for want of descriptors), or it was found within its first hundredth of a
    /// second, its lock or its socket tells.
    func isStillItself(_ keeper: Tracked, _ session: SessionID) -> Bool {
        if let process = keeper.process, !process.isRunning { return false }
        guard Processes.liveness(of: keeper.pid) != .gone else { return false }
        let startTime = ProcessDetails(of: keeper.pid)?.startTime
        if let started = keeper.process?.startTime { return startTime == started }
        // Both are counted in whole ticks of the system's.
        if let startTime, startTime + .milliseconds(10) <= keeper.foundAt { return true }
        return KeeperInspection.isStillKeeper(keeper.pid, of: session, paths: paths)
    }

    /// SIGTERM to a pid that is known to be a keeper.
    func terminate(_ pid: Int32, _ session: SessionID) -> Bool {
        // A program may serve a session itself, and must not end itself for it.
        guard pid != Processes.currentID else { return false }
        do throws(UVError) {
            do throws(UVError) {
                try Processes.send(.terminate, toGroup: pid)
            } catch .noProcess {
                // Started without a group of its own, by hand.
                try Processes.send(.terminate, to: pid)
            }
            logger.info("keeper told to end", metadata: ["session": "\(session)", "pid": "\(pid)"])
            return true
        } catch {
            logger.warning(
                "cannot end keeper", metadata: ["session": "\(session)", "pid": "\(pid)", "error": "\(error)"])
            return false
        }
    }

    private static func defaultDirectory(_ platform: KeeperPlatform) -> String? {
        var home = ""
        // Without a home directory the variable may still say where the sessions are.
        do throws(UVError) { home = try LibUV.homeDirectory() } catch { home = "" }
        return SessionsDirectory.path(
            environment: ProcessEnvironment.current.variables, home: home, platform: platform)
    }
}

@available(*, unavailable)
extension KeeperManager: Sendable {}
