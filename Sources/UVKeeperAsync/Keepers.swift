public import KeeperProtocol
public import UVKeeper
internal import UVLoop
public import UVLoopAsync

/// The sessions of a directory, for tasks: starts and adopts them, and reports their events.
///
/// All work happens on one loop. Sessions live on when this object is closed, and when the process ends.
public actor Keepers: LoopActor {
    /// The executor whose loop is used.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// The sessions directory.
    public nonisolated let sessionsDirectory: String
    private let ownsExecutor: Bool
    private let held: Handover<KeeperManager>
    /// The manager, on the executor.
    public var manager: KeeperManager { held.value }
    private var subscribers: [Subscriber] = []
    /// The sessions that were reported as adopted or started, and have not ended.
    private var living: Set<SessionID> = []
    private var requests: [SessionID: Requests] = [:]
    private var lastQuestion: UInt64 = 0
    /// The tasks that wait for the end of a session.
    private var waiters: [SessionID: WaitingList<SessionExit?, CancellationError>] = [:]
    private var lastWaiter: UInt64 = 0
    /// The lines that can be withdrawn.
    var tickets: [UInt64: Session.Ticket] = [:]
    var lastTicket: UInt64 = 0
    private var hasClosed = false
    /// An idle handle: the loop closes it when it ends, and so do the keepers.
    private let untilLoopEnds: Handover<TimerHandle>
    /// True once no new work is taken.
    var isFinishing = false
    /// The waits that end once nothing waits for an outcome or an answer.
    var settling: [OneShot<Void, UVError>] = []
    /// The number of sessions being opened.
    private var openings = 0
    let onMeasurement: (@Sendable (KeeperMeasurement) -> Void)?

    /// Opens a directory of sessions; nothing is started or looked for yet.
    ///
    /// - Parameters:
    ///   - options: the settings.
    ///   - executor: the executor whose loop is used; nil: one of its own, which ends with ``close()``.
    /// - Throws: ``/UVKeeper/KeeperError/noSessionsDirectory`` and its like.
    public init(_ options: Options = Options(), on executor: LoopExecutor? = nil) async throws(KeeperError) {
        let own: LoopExecutor
        do throws(UVError) {
            if let executor { own = executor } else { own = try LoopExecutor(name: "uvkeeper") }
        } catch {
            throw .noThreads(error)
        }
        let result: Result<(Handover<KeeperManager>, Handover<TimerHandle>), KeeperError>
        do throws(UVError) {
            result = try await own.run { loop in
                do throws(KeeperError) {
                    let manager = try KeeperManager(on: loop, options: KeeperManager.Options(options))
                    let timer = TimerHandle(on: loop)
                    timer.unref()
                    return .success((Handover(manager), Handover(timer)))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            throw .closed
        }
        do throws(KeeperError) {
            (held, untilLoopEnds) = try result.get()
        } catch {
            if executor == nil { await own.shutdown() }
            throw error
        }
        onMeasurement = options.onMeasurement
        sessionsDirectory = held.value.sessionsDirectory
        self.executor = own
        ownsExecutor = executor == nil
        closeWithLoop()
    }

    private func closeWithLoop() {
        // The loop may have ended since.
        guard executor.isOnThread, !untilLoopEnds.value.isClosing else { return closeNow() }
        untilLoopEnds.value.onCanceled = { [weak self] in self?.assumeIsolated { $0.closeNow() } }
    }

    /// Closes connections and watches, not sessions: waiting lines end as refused or unknown, sequences end. The end of the
    /// executor's loop does the same. Idempotent.
    public func close() async {
        // The last jobs of an executor that is about to end come first.
        if !executor.isOnThread { await executor.shutdown() }
        closeNow()
        if ownsExecutor { await executor.shutdown() }
    }

    private func closeNow() {
        guard !hasClosed else { return }
        hasClosed = true
        finishEvents()
        for id in Array(waiters.keys) { waiters[id]?.resumeAll(.failure(CancellationError())) }
        waiters = [:]
        for request in Array(requests.values) { request.close() }
        manager.close()
        untilLoopEnds.value.close()
    }

    /// True after ``close()``, and when the executor's loop has ended: nothing may be asked of the manager then.
    var isClosed: Bool { hasClosed || !executor.isOnThread }

    /// Asks the manager for something, if it may be asked at the moment of the call.
    func once<Value: Sendable>(
        _ begin: (KeeperManager, OneShot<Value, KeeperError>) -> Void,
    ) async throws(KeeperError) -> Value {
        try await once(canceled: KeeperError.closed) { end in
            guard !isClosed, !isFinishing else { return end.end(.failure(.closed)) }
            begin(manager, end)
        }
    }

    /// The number of sessions being opened, and of those living as far as is known here.
    var sessionCounts: (opening: Int, living: Int) { (openings, living.count) }

    /// True if no line and no question waits.
    var isSettled: Bool { tickets.isEmpty && requests.isEmpty }

    // MARK: Sessions

    /// Adopts the session if it lives, else starts it, as a server does with each of its sessions.
    ///
    /// - Parameters:
    ///   - id: the session's name.
    ///   - directory: the child's working directory, if it is started.
    ///   - options: the options of a start. The output is kept unless they say otherwise: 8 MiB of each stream.
    /// - Throws: the errors of ``/UVKeeper/KeeperManager/open(_:in:_:completion:)-(SessionID,_,_,_)``;
    ///   ``/UVKeeper/KeeperError/closed`` if the task is canceled: a start that has begun goes on, and is reported as
    ///   an event.
    public func open(
        _ id: SessionID, in directory: String, _ options: SpawnOptions,
    ) async throws(KeeperError) -> KeptSession {
        var options = options
        options.output = options.output ?? .kept(bytes: Keepers.keptByteCount)
        try await once { (manager, end: OneShot<Void, KeeperError>) in
            openings += 1
            manager.open(id, in: directory, options) { [weak self] result in
                self?.assumeIsolated { $0.openings -= 1 }
                // The event is reported even if the task no longer waits.
                if case .success(let opened) = result {
                    let isAdopted = if case .adopted = opened.way { true } else { false }
                    self?.assumeIsolated { $0.begin(isAdopted ? .adopted(id) : .started(id)) }
                }
                end.end(result.map { _ in })
            }
        }
        return KeptSession(id: id, keepers: self)
    }

    /// Adopts the session if it lives, else starts a command.
    ///
    /// - Parameters:
    ///   - id: the session's name.
    ///   - command: the executable and its arguments.
    ///   - directory: the child's working directory, and that of its relative paths.
    ///   - labels: small texts by which the session's users find it again.
    public func open(
        _ id: SessionID, _ command: [String], in directory: String, labels: SessionLabels = [:],
    ) async throws(KeeperError) -> KeptSession {
        try await open(id, in: directory, SpawnOptions(command: command, labels: labels))
    }

    /// The bytes kept of each stream's output, unless told otherwise.
    public static let keptByteCount = 8 << 20

    /// The session of a name, alive or not; no keeper is started.
    public nonisolated func session(_ id: SessionID) -> KeptSession { KeptSession(id: id, keepers: self) }

    /// Finds the sessions that live, cleans up after dead keepers, and watches the living ones. For the start of the
    /// program.
    ///
    /// - Throws: the errors of ``/UVKeeper/KeeperManager/discoverExistingKeepers(completion:)``.
    public func discover() async throws(KeeperError) -> KeeperDiscovery {
        let discovery: KeeperDiscovery = try await once { manager, end in
            manager.discoverExistingKeepers { end.end($0) }
        }
        // A session found again and again is reported once.
        for keeper in discovery.keepers where !living.contains(keeper.session) { begin(.adopted(keeper.session)) }
        return discovery
    }

    /// The sessions of the directory, found out without changing anything.
    public func list() async throws(KeeperError) -> [KeeperStatus] {
        try await once { manager, end in manager.listKeepers { end.end($0) } }
    }

    /// The sessions of the directory that have ended, the latest first.
    public func listEnded() async throws(KeeperError) -> [SessionRecord] {
        try await once { manager, end in manager.listEnded { end.end($0) } }
    }

    /// Removes the leftovers of ended sessions; see ``/UVKeeper/KeeperManager/prune(olderThan:keeping:completion:)``.
    @discardableResult
    public func prune(
        olderThan age: Duration = KeeperManager.prunedAfter, keeping count: Int = KeeperManager.keptEndedSessions,
    ) async throws(KeeperError) -> PruneResult {
        try await once { manager, end in manager.prune(olderThan: age, keeping: count) { end.end($0) } }
    }

    // MARK: Events

    /// The events, from now on, of sessions that were opened or discovered here. The sequence is for one task; 1,024
    /// events wait for it at most, then the oldest is dropped.
    public func events() -> Events {
        let inbox = EventInbox(on: executor)
        if isClosed { inbox.assumeIsolated { $0.finish() } } else { subscribers.append(Subscriber(inbox: inbox)) }
        return Events(inbox: inbox)
    }

    private struct Subscriber {
        weak var inbox: EventInbox?
    }

    private func finishEvents() {
        for subscriber in subscribers { subscriber.inbox?.assumeIsolated { $0.finish() } }
        subscribers = []
    }

    private func tell(_ event: KeeperEvent) {
        onMeasurement?(.session(event))
        subscribers.removeAll { $0.inbox == nil }
        for subscriber in subscribers { subscriber.inbox?.assumeIsolated { $0.put(event) } }
    }

    private func begin(_ event: KeeperEvent) {
        living.insert(event.session)
        tell(event)
        watch(event.session)
    }

    private func watch(_ id: SessionID) {
        guard !isClosed else { return }
        let session = manager.session(id)
        guard session.onEnd == nil else { return }
        // A watched session is retained by the manager, which this object has.
        session.onEnd = { [weak self] exit in self?.assumeIsolated { $0.ended(id, exit) } }
    }

    private func ended(_ id: SessionID, _ exit: SessionExit?) {
        var waiting = waiters.removeValue(forKey: id)
        waiting?.resumeAll(.success(exit))
        // The end of a session that had ended before a wait for it is no event.
        if living.remove(id) != nil { tell(.ended(id, exit)) }
    }

    /// Waits for the end of a session.
    func wait(for id: SessionID) async throws -> SessionExit? {
        lastWaiter += 1
        let number = lastWaiter
        return try await wait(canceled: CancellationError()) {
            wait($0, number, id)
        } onCancel: {
            $0.waiters[id]?.cancel(number, with: CancellationError())
        }
    }

    private func wait(
        _ continuation: UnsafeContinuation<Result<SessionExit?, CancellationError>, Never>, _ number: UInt64,
        _ id: SessionID,
    ) {
        guard !isClosed else { return continuation.resume(returning: .failure(CancellationError())) }
        waiters[id, default: WaitingList()].add(continuation, number)
        watch(id)
    }

    // MARK: Questions

    /// The waiting questions of a session, kept here as long as there are any. The end of the session reaches them
    /// through the read of its output, after any answers still in it.
    func requests(of id: SessionID) -> Requests {
        if let requests = requests[id] { return requests }
        let requests = Requests(manager.session(id), on: manager.loop) { [weak self] in
            self?.assumeIsolated { $0.rested(id) }
        }
        self.requests[id] = requests
        return requests
    }

    private func rested(_ id: SessionID) {
        requests[id] = nil
        tellSettled()
    }

    func nextQuestion() -> UInt64 {
        lastQuestion += 1
        return lastQuestion
    }

    func cancelQuestion(_ number: UInt64, to id: SessionID) { requests[id]?.cancel(number) }
}
