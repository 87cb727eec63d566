import Hummingbird
import ServiceLifecycle
import UVKeeper
import UVKeeperAsync

/// The HTTP interface: what there is, and what each does. README.md shows it with examples.
struct Routes: Sendable {
    let keepers: Keepers
    let board: Board
    let slots = StreamSlots()

    init(_ keepers: Keepers, _ board: Board) {
        self.keepers = keepers
        self.board = board
    }

    func router(behind token: Token) -> Router<DashboardContext> {
        let router = Router(context: DashboardContext.self)
        router.addMiddleware {
            RequestLog()
            SafeHeaders()
            Access(token: token)
        }
        Page.add(to: router)
        router.get("api/events", use: events)
        router.group("api/sessions")
            .get(use: list)
            .post(use: start)
            .get(":id", use: show)
            .post(":id/lines", use: write)
            .get(":id/output", use: output)
            .post(":id/labels", use: label)
            .post(":id/stop", use: stop)
        return router
    }

    // MARK: Sessions

    @Sendable private func list(_: Request, _: DashboardContext) async throws -> Answer<[SessionView]> {
        Answer(try await board.all())
    }

    @Sendable private func start(_ request: Request, _: DashboardContext) async throws -> Answer<SessionView> {
        let order = try await Body.decode(StartOrder.self, of: request)
        let id = try SessionID(checking: order.id)
        var environment = ProcessEnvironment.current
        // It is none of the children's business.
        environment[Token.variable] = nil
        let before = await keepers.session(id).record()?.epoch
        let directory = try order.directory ?? CurrentProcess.homeDirectory()
        do throws(KeeperError) {
            let options = SpawnOptions(
                environment: environment, command: order.command, labels: order.labels ?? [:],
                // Sooner, and it would be chance what is told of a program that ends at once.
                readiness: .settled)
            _ = try await keepers.open(id, in: directory, options)
        } catch {
            throw Refusal(error)
        }
        let view = try await view(of: id)
        await board.note(view, of: id)
        // A session that lives is adopted, whatever its command.
        return Answer(view, view.epoch == before ? .ok : .created)
    }

    @Sendable private func show(_: Request, context: DashboardContext) async throws -> Answer<SessionView> {
        let id = try context.session()
        let view = try await view(of: id)
        await board.note(view, of: id)
        return Answer(view)
    }

    @Sendable private func write(_ request: Request, context: DashboardContext) async throws -> Answer<LineOutcomes> {
        let id = try context.session()
        let order = try await Body.decode(LinesOrder.self, of: request)
        guard order.lines.count <= LinesOrder.mostLines else {
            throw Refusal.badRequest(
                "there are more than \(LinesOrder.mostLines) lines; send the rest by another request")
        }
        guard !order.lines.contains(where: { $0.utf8.contains(UInt8(ascii: "\n")) }) else {
            throw Refusal.badRequest("a line has a newline in it; send what follows as a line of its own")
        }
        try await check(id)
        let time = try order.time
        let lines = order.lines.map { Array($0.utf8) }
        let outcomes = try await patiently { await keepers.session(id).write(lines: lines, deadline: .within(time)) }
        await board.look(at: id)
        return Answer(LineOutcomes(outcomes))
    }

    @Sendable private func label(_ request: Request, context: DashboardContext) async throws -> Answer<SessionView> {
        let id = try context.session()
        let labels = try await Body.decode([String: String?].self, of: request)
        try await check(id)
        do throws(KeeperError) { try await keepers.session(id).label(labels) } catch { throw Refusal(error) }
        let view = try await view(of: id)
        await board.note(view, of: id)
        return Answer(view)
    }

    @Sendable private func stop(_ request: Request, context: DashboardContext) async throws -> Answer<StopAnswer> {
        let id = try context.session()
        let order = try await Body.decode(StopOrder.self, of: request)
        try await check(id)
        let ladder = try order.ladder
        let stopped = try await patiently { await keepers.session(id).stop(ladder) }
        await board.look(at: id)
        return Answer(try StopAnswer(stopped, of: id))
    }

    /// Waits for what may take long. A server that is told to end waits a little more for it, and then says that it does not know.
    private func patiently<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async throws -> Value {
        let (results, result) = AsyncStream.makeStream(of: Value?.self)
        // It ends with the keepers, at the latest.
        Task { result.yield(await work()) }
        return try await withGracefulShutdownHandler {
            for await value in results {
                guard let value else { throw Refusal.ending }
                return value
            }
            throw CancellationError()
        } onGracefulShutdown: {
            Task {
                try await Task.sleep(for: Routes.lastWait)
                result.yield(nil)
            }
        }
    }

    /// How long a server that is told to end waits for what is under way.
    private static let lastWait = Duration.seconds(2)

    /// Refuses what is asked of a session that there is not. A keeper that does not answer is not waited for.
    private func check(_ id: SessionID) async throws(Refusal) {
        guard await keepers.glance(at: id) != nil else { throw .noSession(id) }
    }

    private func view(of id: SessionID) async throws(Refusal) -> SessionView {
        guard let view = await keepers.view(of: id) else { throw .noSession(id) }
        return view
    }

    // MARK: Streams

    @Sendable private func events(_ request: Request, context: DashboardContext) throws -> Response {
        try EventStream.response(to: request, context, slots) { send in
            try await board.follow(send)
        }
    }

    @Sendable private func output(_ request: Request, context: DashboardContext) async throws -> Response {
        let id = try context.session()
        let start = try OutputStream.Start(of: request)
        let position = try await OutputStream.position(of: keepers.session(id), start)
        let coding = try OutputStream.Coding(of: request)
        return try EventStream.response(to: request, context, slots) { send in
            var follower = OutputFollower(keepers.session(id), from: position, coding)
            try await follower.run(send)
        }
    }
}
