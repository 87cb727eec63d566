public import KeeperProtocol
internal import Logging
internal import UVLoop

extension KeeperManager {
    /// The event that a start waits for before it is reported.
    public enum Readiness: Hashable, Sendable {
        /// The keeper has a pid, as in the original: no wait.
        case started
        /// The keeper's socket accepts, which means that its child runs.
        case accepting
        /// The child has also outlived the crash window of 300 ms.
        case settled
    }

    /// Starts a keeper for a session, detached, so that it outlives this program. `completion` runs once, on a later
    /// tick.
    ///
    /// The sessions directory is made if it is missing; one that other users can replace or write to is refused. The
    /// keeper's output goes to the session's launch log. No file is made if the working directory or the command cannot
    /// be used. A child that a dead keeper has left, and that provably runs, has half a second to end; then the start
    /// is refused with the child's pid. Mirrors `spawnKeeperFor`.
    ///
    /// - Parameters:
    ///   - session: the session; it has no keeper yet.
    ///   - workingDirectory: the child's, and the keeper's.
    ///   - options: the child's command, its environment, and the event that the start waits for.
    ///   - completion: called with the keeper when it is ready as ``SpawnOptions/readiness`` says, or with the error.
    public func spawnKeeper(
        for session: SessionID,
        in workingDirectory: String,
        _ options: SpawnOptions = SpawnOptions(),
        completion: @escaping (Result<SpawnedKeeper, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        let order: KeeperOrder
        let formerChild: ProcessDescriptor?
        do throws(KeeperError) {
            guard !isClosed else { throw .closed }
            try SidecarCommand.checkIsNoSidecar()
            try checkCanStart(session)
            try checkSessionsDirectory()
            order = try KeeperOrder(
                session, by: try sidecar(options.environment), in: workingDirectory, options,
                sessionsDirectory: sessionsDirectory)
            formerChild = runningFormerChild(of: session)
        } catch {
            logger.warning("cannot start keeper", metadata: ["session": "\(session)", "error": "\(error)"])
            return loop.onNextTick { completion(.failure(error)) }
        }
        guard let formerChild else { return start(order, options, completion) }
        waitForEnd(of: formerChild, atMost: KeeperManager.formerChildPatience) { result in
            switch result {
            case .allHaveEnded: self.start(order, options, completion)
            case .timedOut: completion(.failure(.formerChildRuns(order.session, pid: formerChild.pid)))
            case .canceled: completion(.failure(.closed))
            }
        }
    }

    /// Waits for the end of a process before a start; canceled when the manager closes.
    func waitForEnd(
        of process: ProcessDescriptor, atMost time: Duration, _ completion: @escaping (ProcessWait.Result) -> Void,
    ) {
        var id: ObjectIdentifier?
        let wait = ProcessWait(for: [process], atMost: time, on: loop) { result in
            if let id { self.starts[id] = nil }
            completion(result)
        }
        id = ObjectIdentifier(wait)
        starts[ObjectIdentifier(wait)] = wait
    }

    /// The time that a start waits for the child of a dead keeper: the end of its input may just be ending it.
    private static let formerChildPatience = Duration.milliseconds(500)

    private func checkCanStart(_ session: SessionID) throws(KeeperError) {
        let bytesLeft = paths.socketPathBytesLeft(for: session)
        guard bytesLeft >= 0 else { throw .socketPathTooLong(paths.socket(for: session), by: -bytesLeft) }
        try checkIsFree(session)
    }

    private func checkIsFree(_ session: SessionID) throws(KeeperError) {
        // A keeper started just now may not hold its lock yet.
        if let keeper = tracked[session], mayRun(keeper, session) {
            throw .sessionTaken(session, pid: keeper.pid)
        }
        // The keeper checks the same under the lock; this check only reports sooner.
        if case .live(let pid) = KeeperInspection.finding(session, paths: paths) {
            throw .sessionTaken(session, pid: pid)
        }
    }

    /// The child that a dead keeper of the session has left running; nil if none is shown to be that.
    private func runningFormerChild(of session: SessionID) -> ProcessDescriptor? {
        let inspection = KeeperInspection(session, paths: paths)
        guard inspection.finding == .dead, case .running(let pid) = inspection.child else { return nil }
        // The keeper makes the same check, and reports the lack of a descriptor.
        do throws(UVError) { return try formerChild(pid, of: session) } catch { return nil }
    }

    private func sidecar(_ environment: ProcessEnvironment) throws(KeeperError) -> SidecarCommand {
        if let chosen = options.sidecar { return try chosen.checked(environment) }
        return try SidecarCommand.find(in: environment)
    }

    private func start(
        _ order: KeeperOrder, _ options: SpawnOptions,
        _ completion: @escaping (Result<SpawnedKeeper, KeeperError>) -> Void,
    ) {
        let log = KeeperLogTail(of: order.session, in: paths)
        let keeper: SpawnedKeeper
        do throws(KeeperError) {
            // Time may have passed since the first look.
            try checkIsFree(order.session)
            keeper = try start(order)
        } catch {
            logger.warning("cannot start keeper", metadata: ["session": "\(order.session)", "error": "\(error)"])
            return loop.onNextTick { completion(.failure(error)) }
        }
        guard options.readiness != .started else { return loop.onNextTick { completion(.success(keeper)) } }
        wait(for: keeper, log, order.sidecar, options, completion)
    }

    private func start(_ order: KeeperOrder) throws(KeeperError) -> SpawnedKeeper {
        let session = order.session
        try makeSessionsDirectory()
        let launchLog = try openLaunchLog(session)
        // The keeper has its own copies of the descriptors.
        defer { launchLog?.close() }
        let input: OpenFile?
        do throws(UVError) {
            input = try order.commandFile.map { (bytes) throws(UVError) in
                try OpenFile.anonymous(holding: bytes, in: sessionsDirectory)
            }
        } catch {
            throw .file("a temporary file with the command", error)
        }
        defer { input?.close() }
        let configuration = ChildProcess.Configuration(
            executable: order.sidecar.argv[0],
            arguments: order.sidecar.argv.dropFirst() + [session.rawValue],
            environment: order.environment,
            workingDirectory: order.workingDirectory,
        )
        let process: DetachedProcess
        do throws(SpawnError) {
            process = try loop.spawnDetached(
                configuration, input: input?.descriptor, output: launchLog?.descriptor)
        } catch {
            throw .cannotStart(error)
        }
        tracked[session] = Tracked(pid: process.pid, process: process, isOurs: order.sidecar.isOurs)
        processes[ObjectIdentifier(process)] = process
        process.onExit = { [weak self] process, status in self?.ended(session, process, status) }
        process.rest(asKeeperAt: paths.keeperPID(for: session))
        logger.info("keeper started", metadata: ["session": "\(session)", "pid": "\(process.pid)"])
        return SpawnedKeeper(
            session: session, pid: process.pid, socketPath: paths.socket(for: session), process: process)
    }

    private func makeSessionsDirectory() throws(KeeperError) {
        let exposure: DirectoryExposure?
        do throws(UVError) {
            exposure = try PrivateDirectory(making: sessionsDirectory).exposure
        } catch {
            throw .using(sessionsDirectory, error)
        }
        if let exposure { throw .directoryNotPrivate(sessionsDirectory, "\(exposure)") }
    }

    private func openLaunchLog(_ session: SessionID) throws(KeeperError) -> OpenFile? {
        let path = paths.launchLog(for: session)
        let file: OpenFile
        do throws(UVError) {
            file = try OpenFile(path, .append)
        } catch {
            // Only output of the keeper from before its own log is open gets lost, so the keeper is started all the
            // same.
            logger.warning("cannot open launch log", metadata: ["path": "\(path)", "error": "\(error)"])
            return nil
        }
        let owner = file.statusAtOpening.owner
        guard OwnerTrust.trusts(owner) else { throw .fileOfStranger(path, user: owner) }
        return file
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
        _ sidecar: SidecarCommand,
        _ options: SpawnOptions,
        _ completion: @escaping (Result<SpawnedKeeper, KeeperError>) -> Void,
    ) {
        let failure = { [self] (result: DetachedProcess.WaitResult) -> KeeperError in
            switch result {
            // Another keeper came first.
            case .ended(.exited(code: KeeperExitStatus.sessionTaken.rawValue)) where takenBy(keeper.session) != nil:
                .sessionTaken(keeper.session, pid: takenBy(keeper.session))
            case .ended(let status): KeeperManager.failure(status, log.lines, sidecar)
            case .timedOut: .notReady(options.deadline)
            case .canceled, .running: .closed
            }
        }
        keeper.process.waitForReady(
            probe: { KeeperManager.accepts(keeper.socketPath, from: keeper.pid) }, deadline: options.deadline
        ) { result in
            guard result == .running else { return completion(.failure(failure(result))) }
            guard options.readiness == .settled else { return completion(.success(keeper)) }
            // The wait is a little longer than the keeper's own window, whose end it learns of with a delay.
            keeper.process.waitForNoCrash(window: KeeperConstants.crashWindow + .milliseconds(50)) { result in
                completion(result == .running ? .success(keeper) : .failure(failure(result)))
            }
        }
    }

    /// The keeper that lives; nil if none does.
    private func takenBy(_ session: SessionID) -> Int32? {
        if case .live(let pid) = KeeperInspection.finding(session, paths: paths) { pid } else { nil }
    }

    private static func failure(_ status: ProcessExit, _ log: [String], _ sidecar: SidecarCommand) -> KeeperError {
        // A keeper writes to its log, or to the launch log, whatever happens; a killed one may not get that far.
        if log.isEmpty, case .exited = status {
            return .notAKeeper(sidecar.argv.joined(separator: " "), status)
        }
        return .keeperEnded(status, log: log)
    }

    /// True if the socket is served by that keeper, or by a descendant of it, if a script stands in between.
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
