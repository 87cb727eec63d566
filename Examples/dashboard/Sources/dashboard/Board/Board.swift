import Logging
import ServiceLifecycle
import UVKeeper
import UVKeeperAsync

/// What is known of all sessions, for the list of the page.
///
/// The beginnings and ends of sessions are told here at once. While somebody watches, sessions of other programs are looked
/// for, and what goes on in each is asked of its keeper: a few at a time, and one that does not answer holds nobody up. Without a
/// watcher they are asked when somebody wants the list.
actor Board: Service {
    /// The time between two rounds.
    private static let pause = Duration.seconds(1)
    /// How many keepers are asked at a time: of a thousand sessions, each is asked every 16 seconds.
    private static let mostAsked = 64

    private let keepers: Keepers
    private let logger: Logger
    private var views: [SessionID: SessionView] = [:]
    /// The sessions that live, in the order in which they are asked.
    private var turns: [SessionID] = []
    private var asked: Set<SessionID> = []
    private var watchers: [Int: BoardWatcher] = [:]
    private var lastWatcher = 0

    init(_ keepers: Keepers, logger: Logger) {
        self.keepers = keepers
        self.logger = logger
    }

    /// Runs until the server ends.
    func run() async throws {
        try await discover()
        logger.info(
            "found sessions", metadata: ["directory": "\(keepers.sessionsDirectory)", "count": "\(views.count)"])
        let events = await keepers.events()
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingTaskGroup { group in
                    group.addTask { for await event in events { await self.glance(at: event.session) } }
                    group.addTask { try await self.makeRounds() }
                    try await group.waitForAll()
                }
            }
        } catch is CancellationError {
            // The server ends.
        }
    }

    // MARK: Looking

    private func makeRounds() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                try await Task.sleep(for: Board.pause)
                guard !watchers.isEmpty else { continue }
                try await discover()
                for id in nextToAsk() { group.addTask { await self.ask(id) } }
            }
        }
    }

    /// Finds the sessions that have come, ended or gone.
    private func discover() async throws {
        let discovery: KeeperDiscovery
        do throws(KeeperError) { discovery = try await keepers.discover() } catch {
            // The directory may be mended while the server runs.
            return logger.error("cannot look for sessions", metadata: ["error": "\(error)"])
        }
        let live = Set(discovery.keepers.map(\.session))
        for id in live where views[id]?.isOver ?? true { await glance(at: id) }
        for id in discovery.ended where views[id]?.isOver != true { await glance(at: id) }
        for id in Set(views.keys).subtracting(live).subtracting(discovery.ended) { await glance(at: id) }
        turns.removeAll { !live.contains($0) }
        turns += live.subtracting(turns)
    }

    /// Looks at what is on disk: nobody has to answer.
    private func glance(at id: SessionID) async {
        guard let view = await keepers.glance(at: id) else { return remove(id) }
        // What its keeper has said remains true.
        if let known = views[id], known.epoch == view.epoch, known.isOver == view.isOver { return }
        note(view, of: id)
    }

    private func nextToAsk() -> [SessionID] {
        let next = Set(turns.filter { !asked.contains($0) }.prefix(max(0, Board.mostAsked - asked.count)))
        turns.removeAll { next.contains($0) }
        turns += next
        asked.formUnion(next)
        return Array(next)
    }

    private func ask(_ id: SessionID) async {
        await look(at: id)
        asked.remove(id)
    }

    /// Asks all that live, and waits so long as a round takes for those that do not answer.
    private func askAll() async {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                do { try await Task.sleep(for: Board.pause) } catch {}
                return false
            }
            var left = turns.makeIterator()
            var count = 0
            func askNext() {
                guard let id = left.next() else { return }
                count += 1
                group.addTask {
                    await self.look(at: id)
                    return true
                }
            }
            for _ in 0..<Board.mostAsked { askNext() }
            while count > 0, await group.next() == true {
                count -= 1
                askNext()
            }
            group.cancelAll()
        }
    }

    /// Asks how a session is.
    func look(at id: SessionID) async {
        if let view = await keepers.view(of: id) { note(view, of: id) } else { remove(id) }
    }

    /// Takes down what somebody has learned of a session.
    func note(_ view: SessionView, of id: SessionID) {
        guard views[id] != view else { return }
        views[id] = view
        for watcher in watchers.values { watcher.tell(id) }
    }

    private func remove(_ id: SessionID) {
        guard views.removeValue(forKey: id) != nil else { return }
        for watcher in watchers.values { watcher.tell(id) }
    }

    // MARK: Telling

    /// All sessions, those that were started last first.
    func all() async throws -> [SessionView] {
        try await discover()
        // While somebody watches, the rounds do it.
        if watchers.isEmpty { await askAll() }
        return views.values.sorted { ($0.startedAt ?? "", $0.id) > ($1.startedAt ?? "", $1.id) }
    }

    /// Sends all sessions, then what changes. A watcher that is slow is told the latest of each, not every step.
    nonisolated func follow(_ send: EventStream.Send) async throws {
        let (number, watcher) = await addWatcher()
        do {
            try await send(ServerSentEvent("all", try await all()))
            for await _ in watcher.wakes { try await send(ServerSentEvent("changes", await changes(for: watcher))) }
        } catch {
            await removeWatcher(number)
            throw error
        }
        await removeWatcher(number)
    }

    private struct Changes: Encodable {
        var sessions: [SessionView] = []
        var removed: [String] = []
    }

    private func changes(for watcher: BoardWatcher) -> Changes {
        var changes = Changes()
        for id in watcher.take() {
            if let view = views[id] { changes.sessions.append(view) } else { changes.removed.append(id.rawValue) }
        }
        return changes
    }

    private func addWatcher() -> (Int, BoardWatcher) {
        lastWatcher += 1
        let watcher = BoardWatcher()
        watchers[lastWatcher] = watcher
        return (lastWatcher, watcher)
    }

    private func removeWatcher(_ number: Int) { watchers[number] = nil }
}
