internal import KeeperProtocol
internal import UVLoop

/// The requests to a session other than its lines: on a connection of their own, since lines may wait for the child.
/// The keeper answers in order.
final class ControlRequests {
    typealias Completion = (Result<ChannelMessage, KeeperError>) -> Void

    private let session: SessionID
    private let paths: KeeperPaths
    private let loop: Loop
    /// The time after which an unused connection is given up.
    private let idleTime: Duration
    private let timer: TimerHandle
    private var connection: ChannelConnection?
    /// Requests that wait for the connection; `pending` has those that wait for their answers.
    private var unsent: [(verb: ChannelVerb, header: [UInt8], completion: Completion)] = []
    private var pending: [Completion] = []
    private var isClosed = false
    /// The number of attempts to reach a keeper that was starting, since the last connection.
    private var earlyAttempts = 0

    init(_ session: SessionID, in paths: KeeperPaths, idleTime: Duration, on loop: Loop) {
        self.session = session
        self.idleTime = idleTime
        self.paths = paths
        self.loop = loop
        timer = TimerHandle(on: loop)
        timer.onCanceled = { [self] in fail(.closed) }
    }

    /// True if no request waits and no connection is open.
    var isIdle: Bool { connection == nil && unsent.isEmpty && pending.isEmpty }

    /// Sends a request. `completion` runs once, on a later tick. One that is too long is not sent: the keeper would end
    /// the connection, with the requests behind it.
    func ask(_ request: ChannelRequest, _ completion: @escaping Completion) {
        guard !isClosed, !timer.isClosing else { return loop.onNextTick { completion(.failure(.closed)) } }
        let header: [UInt8]
        do throws(KeeperError) { header = try request.acceptableHeader() } catch {
            return loop.onNextTick { completion(.failure(error)) }
        }
        if let connection, let hello = connection.hello {
            send(request.verb, header, hello, completion)
        } else {
            unsent.append((request.verb, header, completion))
            if connection == nil, !timer.isActive { connect() }
        }
    }

    private func connect() {
        connection = ChannelConnection(
            to: session, in: paths, within: ChannelConstants.helloTime, on: loop,
            ChannelConnection.Handlers(
                onOpen: { [self] hello in
                    earlyAttempts = 0
                    let requests = unsent
                    unsent = []
                    for (verb, header, completion) in requests { send(verb, header, hello, completion) }
                },
                onMessage: { [self] in received($0) },
                onIdle: { [self] in connection = nil },
                onEnd: { [self] error in
                    connection = nil
                    guard pending.isEmpty, !timer.isClosing, earlyAttempts < KeeperConstants.mostEarlyAttempts,
                        KeeperInspection.mayBeStarting(session, after: error, paths: paths)
                    else {
                        earlyAttempts = 0
                        return fail(explained(error))
                    }
                    earlyAttempts += 1
                    timer.start(after: KeeperConstants.startPause) { [self] _ in connect() }
                }))
    }

    private func send(
        _ verb: ChannelVerb, _ header: [UInt8], _ hello: ChannelHello, _ completion: @escaping Completion,
    ) {
        guard hello.verbs.contains(verb.rawValue) else {
            return loop.onNextTick { [session] in
                completion(.failure(.noChannel(session, "answer \(verb.rawValue)")))
            }
        }
        pending.append(completion)
        connection?.send(header)
        wait()
    }

    private func wait() {
        guard !pending.isEmpty else {
            timer.stop()
            return connection?.rest(for: idleTime) ?? ()
        }
        timer.start(ifSilentFor: ChannelConstants.answerTime) { [self] in
            connection?.close()
            connection = nil
            fail(explained(.timedOut(ChannelConstants.answerTime)))
        }
    }

    private func received(_ message: ChannelMessage) {
        switch message {
        case .status, .ok, .pong: answer(.success(message))
        case .error(let error): answer(.failure(.channel(session, error.code.rawValue, error.text)))
        case .exit:
            connection?.close()
            connection = nil
            fail(.sessionEnded(session))
        case .hello, .writer, .acknowledged, .reading, .output, .gap, .end: break
        }
    }

    private func answer(_ result: Result<ChannelMessage, KeeperError>) {
        guard !pending.isEmpty else { return }
        let completion = pending.removeFirst()
        wait()
        completion(result)
    }

    private func explained(_ error: KeeperError) -> KeeperError {
        if case .timedOut(let time) = error { return .silence(of: session, for: time, paths) }
        // A keeper that ends says so in the record first.
        if error.isBroken, SessionRecord(at: paths.record(for: session))?.exit != nil { return .sessionEnded(session) }
        guard case .connection(_, .noEntry) = error else { return error }
        return switch ChannelAbsence(error, of: session, paths) {
        case .noChannel: .noChannel(session, "be asked")
        case .sessionEnded: .sessionEnded(session)
        case .noKeeper, .notReachable: error
        }
    }

    private func fail(_ error: KeeperError) {
        let completions = pending + unsent.map(\.completion)
        pending = []
        unsent = []
        if !timer.isClosing { timer.stop() }
        for completion in completions { completion(.failure(error)) }
    }

    /// Gives up all requests, on a later tick.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        connection?.close()
        connection = nil
        timer.close()
        guard !isIdle, !loop.isClosed else { return }
        loop.onNextTick { [self] in fail(.closed) }
    }
}
