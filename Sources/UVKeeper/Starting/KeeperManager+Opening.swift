public import KeeperProtocol
internal import UVLoop

extension KeeperManager {
    /// A call that waits for the one before.
    struct QueuedOpening {
        let workingDirectory: String
        let options: SpawnOptions
        let completion: (Result<OpenSession, KeeperError>) -> Void

        init(
            _ workingDirectory: String, _ options: SpawnOptions,
            _ completion: @escaping (Result<OpenSession, KeeperError>) -> Void,
        ) {
            self.workingDirectory = workingDirectory
            self.options = options
            self.completion = completion
        }
    }

    /// Adopts the session if it lives, else starts it, as a server does with each of its sessions. `completion` runs
    /// once, on a later tick.
    ///
    /// A keeper that lives, or may, is adopted: ``killKeeper(for:)-(SessionID)`` works on it if it is shown to be the
    /// keeper. A keeper whose child is dead, but which has not noticed, is ended first. After that, or if there is no
    /// keeper, the session is started as by ``spawnKeeper(for:in:_:completion:)-(SessionID,_,_,_)``. Other sessions are
    /// not looked at; ``discoverExistingKeepers(completion:)`` finds and cleans up all of them. If another program
    /// starts the session at the same time, the first keeper is adopted. Of several calls for one session, each waits for
    /// the one before; if that fails, so do those that ask for the same start. When the manager or all handles of the loop
    /// close, all calls end with ``KeeperError/closed``; a keeper that was started runs on.
    ///
    /// - Parameters:
    ///   - session: the session's name.
    ///   - workingDirectory: the child's, for a start; an adopted session keeps its own.
    ///   - options: the options of a start. A start of this session by ``spawnKeeper(for:in:_:completion:)-(SessionID,_,_,_)``
    ///     that is under way fails this one with ``KeeperError/sessionTaken(_:pid:)``.
    ///   - completion: called with the session, or the reason why there is none.
    public func open(
        _ session: SessionID,
        in workingDirectory: String,
        _ options: SpawnOptions = SpawnOptions(),
        completion: @escaping (Result<OpenSession, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        guard queuedOpenings[session] == nil else {
            queuedOpenings[session]?.append(QueuedOpening(workingDirectory, options, completion))
            return
        }
        queuedOpenings[session] = []
        open(session, in: workingDirectory, options, decideBy: SystemClock.deadline(in: .seconds(1))) { [self] result in
            let waiting = queuedOpenings.removeValue(forKey: session) ?? []
            // A closed manager has no use of what was found before.
            let result = isClosed ? .failure(.closed) : result
            completion(result)
            for opening in waiting {
                switch result {
                // The host has closed everything that the calls wait for.
                case .failure(.closed): opening.completion(result)
                // The same start would fail in the same way, after the same time.
                case .failure where opening.workingDirectory == workingDirectory && opening.options == options:
                    opening.completion(result)
                case .success, .failure:
                    open(session, in: opening.workingDirectory, opening.options, completion: opening.completion)
                }
            }
        }
    }

    /// Opens a session.
    ///
    /// - Parameters:
    ///   - time: the time until which an undecided keeper is looked at again; after that it counts as a keeper.
    ///   - retries: the number of times that another keeper may come first and have ended before it is adopted.
    private func open(
        _ session: SessionID, in workingDirectory: String, _ options: SpawnOptions, decideBy time: Duration,
        retries: Int = 3, _ completion: @escaping (Result<OpenSession, KeeperError>) -> Void,
    ) {
        let now = ProcessDetails.uptime
        do throws(KeeperError) {
            guard !isClosed else { throw .closed }
            try checkSessionsDirectory()
        } catch {
            return loop.onNextTick { completion(.failure(error)) }
        }
        let again = { [self] retries in
            open(
                session, in: workingDirectory, options, decideBy: SystemClock.deadline(in: .seconds(1)),
                retries: retries,
                completion)
        }
        let start = { [self] in
            spawnKeeper(for: session, in: workingDirectory, options) { [self] result in
                // The keeper of another program's start came first. It is adopted, unless it has ended.
                if retries > 0, result.wasTaken, !isClosed, tracked[session]?.process?.isRunning != true {
                    return again(retries - 1)
                }
                completion(result.map { OpenSession(session: self.session(session), way: .started($0)) })
            }
        }
        let inspection = KeeperInspection(session, paths: paths)
        if isUndecided(inspection, session), SystemClock.monotonicTime < time {
            return later { [self] isClosed in
                guard !isClosed else { return completion(.failure(.closed)) }
                open(session, in: workingDirectory, options, decideBy: time, retries: retries, completion)
            }
        }
        guard inspection.finding.mayLive else { return start() }
        guard hasLiveChild(inspection) else {
            return stop(session, ladder: .now) { result in
                switch result {
                case .notFound, .stopped, .killed: start()
                case .survived, .stillServed, .notPermitted:
                    completion(.failure(.sessionTaken(session, pid: inspection.finding.pid)))
                case .closed: completion(.failure(.closed))
                case .failed(let error): completion(.failure(error))
                }
            }
        }
        awaitEnd(of: inspection) { [self] result in
            switch result {
            case .success(true): again(retries)
            case .success(false):
                let keeper = adopt(inspection, foundAt: now)
                completion(.success(OpenSession(session: self.session(session), way: .adopted(keeper))))
            case .failure(let error): completion(.failure(error))
            }
        }
    }

    /// True if the next look may find something else: somebody cleans up, or a keeper of this manager's is about to begin
    /// or to end.
    private func isUndecided(_ inspection: KeeperInspection, _ session: SessionID) -> Bool {
        if case .undecided = inspection.finding { return true }
        return !inspection.finding.mayLive && tracked[session].map { mayRun($0, session) } == true
    }

    /// Calls `body` with false after a short while, or with true when the manager or the loop closes before.
    private func later(_ body: @escaping (_ isClosed: Bool) -> Void) {
        let timer = TimerHandle(on: loop)
        let id = ObjectIdentifier(timer)
        secondLooks[id] = (timer, { [loop] in loop.onNextTick { body(true) } })
        timer.onCanceled = { [weak self] in
            if self?.secondLooks.removeValue(forKey: id) != nil { body(true) }
        }
        timer.start(after: .milliseconds(25)) { [self] timer in
            timer.close()
            secondLooks[id] = nil
            body(false)
        }
    }
}

extension Result<SpawnedKeeper, KeeperError> {
    /// True if another keeper came first; it may have ended since.
    fileprivate var wasTaken: Bool {
        switch self {
        case .failure(.sessionTaken), .failure(.keeperEnded(.exited(code: KeeperExitStatus.sessionTaken.rawValue), _)):
            true
        case .success, .failure: false
        }
    }
}
