public import KeeperProtocol
internal import Logging
public import UVLoop

/// A keeper that was started.
public struct SpawnedKeeper {
    /// Its session.
    public let session: SessionID
    /// The keeper's pid; the child has another.
    public let pid: Int32
    /// Where it listens, or will.
    public let socketPath: String
    /// The keeper's process: whether it runs, how it ended.
    public let process: DetachedProcess
}

extension KeeperManager {
    /// What a start waits for before it is reported.
    public enum Readiness: Hashable, Sendable {
        /// Nothing: the keeper has a pid, as in the original.
        case started
        /// Its socket accepts, which is when its child runs.
        case accepting
        /// Its child has outlived the crash window of 300 ms as well.
        case settled
    }

    /// Starts a keeper for a session, detached, so that it outlives this program. `completion` runs once, on a later tick.
    ///
    /// The sessions directory is made if it is missing; one that other users can write to is refused. The keeper's output
    /// goes to the session's launch log. Mirrors `spawnKeeperFor`.
    ///
    /// - Parameters:
    ///   - id: the session id.
    ///   - workingDirectory: the child's, and the keeper's.
    ///   - environment: what the keeper and the child get; its `PI_KEEPER_*` variables are the keeper's settings.
    ///   - command: the child's executable and first arguments; nil: what the environment says, else `pi`.
    ///   - arguments: its remaining arguments; nil: none if there is a command, else what the environment says, else
    ///     `--mode rpc`.
    ///   - capturesOutput: whether the child's output goes to the keeper's log; nil: what the environment says.
    ///   - readiness: what to wait for. If the keeper ends before, the error has its status and the end of its log.
    ///   - deadline: how long to wait; the keeper runs on when it passes.
    public func spawnKeeper(
        for id: String,
        in workingDirectory: String,
        environment: ProcessEnvironment = .current,
        command: [String]? = nil,
        arguments: [String]? = nil,
        capturesOutput: Bool? = nil,
        readiness: Readiness = .started,
        deadline: Duration = .seconds(10),
        completion: @escaping (Result<SpawnedKeeper, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        let keeper: SpawnedKeeper
        let log: KeeperLogTail
        do throws(KeeperError) {
            guard !isClosed else { throw .closed }
            let session = try checkedSession(id)
            let environment = try keeperEnvironment(environment, command, arguments, capturesOutput)
            log = KeeperLogTail(of: session, in: paths)
            keeper = try start(session, in: workingDirectory, environment: environment)
        } catch {
            logger.warning("cannot start keeper", metadata: ["session": "\(id)", "error": "\(error)"])
            return loop.onNextTick { completion(.failure(error)) }
        }
        guard readiness != .started else { return loop.onNextTick { completion(.success(keeper)) } }
        wait(for: keeper, log, readiness, deadline, completion)
    }

    private func checkedSession(_ id: String) throws(KeeperError) -> SessionID {
        let session: SessionID
        do throws(SessionIDError) { session = try SessionID(id) } catch { throw .invalidSession(id, error) }
        let bytesLeft = paths.socketPathBytesLeft(for: session)
        guard bytesLeft >= 0 else { throw .socketPathTooLong(paths.socket(for: session), by: -bytesLeft) }
        // One that was started just now may not hold its lock yet.
        if let keeper = tracked[session], isStillItself(keeper, session) {
            throw .sessionTaken(session, pid: keeper.pid)
        }
        // The keeper checks it too, under the lock; this says it sooner.
        if case .live(let pid) = KeeperInspection.finding(session, paths: paths) {
            throw .sessionTaken(session, pid: pid)
        }
        return session
    }

    private func keeperEnvironment(
        _ environment: ProcessEnvironment,
        _ command: [String]?,
        _ arguments: [String]?,
        _ capturesOutput: Bool?,
    ) throws(KeeperError) -> ProcessEnvironment {
        var result = environment
        if let command {
            guard let executable = command.first, !executable.isEmpty else { throw .invalidCommand }
            result[KeeperVariable.command] = JSONStringArray.encode(command)
        }
        if let arguments = arguments ?? (command == nil ? nil : []) {
            result[KeeperVariable.arguments] = JSONStringArray.encode(arguments)
        }
        guard !((command ?? []) + (arguments ?? [])).contains(where: { $0.utf8.contains(0) }) else {
            throw .invalidCommand
        }
        if let capturesOutput { result[KeeperVariable.captureOutput] = capturesOutput ? "1" : nil }
        // The directory itself, not the rule it follows from: both sides must come to the same one. A foreign sidecar knows
        // the rule only.
        result[KeeperVariable.sessionsDirectory] = sessionsDirectory
        let suffix = "/.pi/dashboard/sessions"
        let derived = SessionsDirectory.path(environment: result.variables, home: result["HOME"] ?? "")
        if derived != sessionsDirectory, sessionsDirectory.hasSuffix(suffix) {
            let base = sessionsDirectory.dropLast(suffix.count)
            result[KeeperVariable.dashboardHome] = base.isEmpty ? "/" : String(base)
        }
        return result
    }

    private func start(
        _ session: SessionID,
        in workingDirectory: String,
        environment: ProcessEnvironment,
    ) throws(KeeperError) -> SpawnedKeeper {
        let sidecar: SidecarCommand =
            if let chosen = options.sidecar {
                try chosen.checked(environment)
            } else {
                try SidecarCommand.find(in: environment)
            }
        let exposure: String?
        do throws(UVError) {
            try Files.makeDirectory(at: sessionsDirectory)
            exposure = try Files.status(of: sessionsDirectory).exposure
        } catch {
            throw .file(sessionsDirectory, error)
        }
        if let exposure { throw .directoryNotPrivate(sessionsDirectory, exposure) }
        let launchLog = openLaunchLog(session)
        // The keeper has its own copy.
        defer { launchLog?.close() }
        let configuration = ChildProcess.Configuration(
            executable: sidecar.argv[0],
            arguments: sidecar.argv.dropFirst() + [session.rawValue],
            environment: environment,
            workingDirectory: workingDirectory,
        )
        let process: DetachedProcess
        do throws(SpawnError) {
            process = try loop.spawnDetached(configuration, output: launchLog?.descriptor)
        } catch {
            throw .cannotStart(error)
        }
        tracked[session] = Tracked(pid: process.pid, process: process)
        processes[ObjectIdentifier(process)] = process
        process.onExit = { [weak self] process, status in self?.ended(session, process, status) }
        logger.info("keeper started", metadata: ["session": "\(session)", "pid": "\(process.pid)"])
        return SpawnedKeeper(
            session: session, pid: process.pid, socketPath: paths.socket(for: session), process: process)
    }

    private func openLaunchLog(_ session: SessionID) -> OpenFile? {
        let path = paths.launchLog(for: session)
        do throws(UVError) {
            return try OpenFile(path, .append)
        } catch {
            // Only what the keeper says before its own log is open gets lost, so this does not keep it from starting.
            logger.warning("cannot open launch log", metadata: ["path": "\(path)", "error": "\(error)"])
            return nil
        }
    }

    private func ended(_ session: SessionID, _ process: DetachedProcess, _ status: ProcessExit) {
        processes[ObjectIdentifier(process)] = nil
        if tracked[session]?.process === process { tracked[session] = nil }
        logger.info(
            "keeper ended",
            metadata: ["session": "\(session)", "pid": "\(process.pid)", "status": "\(status)"])
    }

    private func wait(
        for keeper: SpawnedKeeper,
        _ log: KeeperLogTail,
        _ readiness: Readiness,
        _ deadline: Duration,
        _ completion: @escaping (Result<SpawnedKeeper, KeeperError>) -> Void,
    ) {
        let failure = { (result: DetachedProcess.WaitResult) -> KeeperError in
            switch result {
            case .ended(let status): .keeperEnded(status, log: log.lines)
            case .timedOut: .notReady(deadline)
            case .canceled, .running: .closed
            }
        }
        keeper.process.waitForReady(
            probe: { KeeperManager.accepts(keeper.socketPath, from: keeper.pid) }, deadline: deadline
        ) { result in
            guard result == .running else { return completion(.failure(failure(result))) }
            guard readiness == .settled else { return completion(.success(keeper)) }
            // A little longer than the keeper's own window, whose end it learns of with a delay.
            keeper.process.waitForNoCrash(window: KeeperConstants.crashWindow + .milliseconds(50)) { result in
                completion(result == .running ? .success(keeper) : .failure(failure(result)))
            }
        }
    }

    /// Whether the socket is served by that keeper, or by one of its descendants, if a script stands in between.
    private static func accepts(_ path: String, from keeper: Int32) -> Bool {
        guard case .accepting(let pid) = SocketProbe(path) else { return false }
        guard var ancestor = pid else { return true }
        for _ in 0..<8 {
            if ancestor == keeper { return true }
            guard let parent = ProcessDetails(of: ancestor)?.parent, parent > 1 else { return false }
            ancestor = parent
        }
        return false
    }
}
