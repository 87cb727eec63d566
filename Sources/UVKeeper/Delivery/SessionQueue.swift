internal import KeeperProtocol
internal import UVLoop

/// The lines that wait for one raw socket, and the attempts to write them.
///
/// Lines are written in the order of their calls. All that wait when a connection opens ride on it, up to a size that the
/// kernel takes in one go; the next connection is made when this one has ended, so lines of two connections cannot overtake
/// each other. A line is sent when the keeper has closed its connection in order, or when the kernel has it whole and its time
/// is over. A connection that got bytes and has not ended in time is not closed, since that could leave a fragment of a line:
/// it goes on in the background, and lines behind it wait for its end within their own attempts.
///
/// While lines are under way, the timer or the connection holds it: a manager that is released by then still completes them.
final class SessionQueue {
    struct Limits {
        var lines: Int
        var bytes: Int
    }

    private enum State {
        case idle
        /// Between two attempts.
        case pausing
        /// An attempt that waits for the connection before it to end.
        case blocked
        case connecting(KeeperConnection)
        case delivering(KeeperConnection, [WaitingLine])
        /// Nothing is sent any more, and lines are refused.
        case closed
    }

    /// Below the kernel's default socket buffer (212,992 bytes), so that a batch is taken whole or not at all.
    private static let batchByteCount = 131_072

    private let path: String
    private let loop: Loop
    private let limits: Limits
    private let timer: TimerHandle
    private var state = State.idle
    private var waiting: [WaitingLine] = []
    private var byteCount = 0
    private var lineCount = 0
    /// A connection whose lines have their outcome, and that has not ended.
    private var earlier: KeeperConnection?
    /// Earlier connections to keepers that have since been replaced. They stay open, since closing one could leave a
    /// fragment of a line; how they end is ignored.
    private var abandoned: [KeeperConnection] = []

    init(path: String, on loop: Loop, limits: Limits) {
        self.path = path
        self.loop = loop
        self.limits = limits
        timer = TimerHandle(on: loop)
        // The timer lives as long as the queue is of use, and by the end of its close nothing may be left undone.
        timer.onCanceled = { [self] in canceled() }
    }

    /// True if the queue could be forgotten.
    var isIdle: Bool {
        switch state {
        // A queue that runs completions is idle while more lines wait.
        case .idle: earlier == nil && abandoned.isEmpty && waiting.isEmpty
        case .closed: true
        case .pausing, .blocked, .connecting, .delivering: false
        }
    }

    /// True once the queue is closed, or the host has closed all handles of the loop, which the timer tells on a later tick.
    private var isClosed: Bool {
        if case .closed = state { true } else { timer.isClosing }
    }

    func add(_ bytes: [UInt8], _ completion: @escaping (WriteOutcome) -> Void) {
        guard !isClosed else { return loop.onNextTick { completion(.refused(.closed)) } }
        guard lineCount < limits.lines, byteCount + bytes.count <= limits.bytes else {
            let error = KeeperError.queueFull(lines: lineCount, bytes: byteCount)
            return loop.onNextTick { completion(.refused(error)) }
        }
        lineCount += 1
        byteCount += bytes.count
        waiting.append(WaitingLine(bytes: bytes, completion: completion))
        if case .idle = state { attempt() }
    }

    /// Ends everything: lines of which nothing was sent are refused, the others unknown. Completions run on a later tick.
    /// Harmless after the end of the loop, by which nothing is left.
    func close() {
        let lines = end()
        guard !lines.sent.isEmpty || !lines.unsent.isEmpty else { return }
        loop.onNextTick { [self] in completeClosed(lines) }
    }

    /// The host has closed all handles of the loop.
    private func canceled() { completeClosed(end()) }

    private func end() -> (sent: [WaitingLine], unsent: [WaitingLine]) {
        timer.close()
        var sent: [WaitingLine] = []
        switch state {
        case .delivering(let connection, let lines):
            sent = lines
            connection.close()
        case .connecting(let connection): connection.close()
        case .idle, .pausing, .blocked, .closed: break
        }
        earlier?.close()
        earlier = nil
        for connection in abandoned { connection.close() }
        abandoned = []
        state = .closed
        let unsent = waiting
        waiting = []
        return (sent, unsent)
    }

    private func completeClosed(_ lines: (sent: [WaitingLine], unsent: [WaitingLine])) {
        complete(lines.sent, .unknown(.closed))
        complete(lines.unsent, .refused(.closed))
    }

    // MARK: Attempts

    /// Starts an attempt; its time covers waiting, connecting, writing and the end.
    private func attempt() {
        // Closed by the host meanwhile, in a completion perhaps: `canceled` comes.
        guard !timer.isClosing else { return state = .pausing }
        timer.start(after: KeeperConstants.writeAttemptTimeout) { [self] _ in timedOut() }
        if let earlier {
            // A frozen keeper must not block the one that has taken its place.
            guard let socket = earlier.socket, let current = KeeperConnect.file(at: path)?.identity, current != socket
            else {
                state = .blocked
                return
            }
            abandoned.append(earlier)
            self.earlier = nil
        }
        connect()
    }

    private func connect() {
        do throws(UVError) {
            state = .connecting(
                try KeeperConnection(
                    to: path, on: loop,
                    onOpen: { [self] in opened($0) },
                    onEnd: { [self] in ended($0, $1) }))
        } catch {
            // Refused before anything was tried; the lines must not complete inside the call that added them.
            timer.stop()
            state = .pausing
            loop.onNextTick { [self] in attemptFailed(.connection(error)) }
        }
    }

    private func opened(_ connection: KeeperConnection) {
        let count = waiting.batchCount(limit: SessionQueue.batchByteCount)
        let batch = Array(waiting[..<count])
        waiting.removeFirst(count)
        state = .delivering(connection, batch)
        connection.write(batch.bytes)
        connection.finish()
    }

    private func ended(_ connection: KeeperConnection, _ end: KeeperConnection.End) {
        if let index = abandoned.firstIndex(where: { $0 === connection }) {
            abandoned.remove(at: index)
            return
        }
        if connection === earlier {
            earlier = nil
            if case .blocked = state { connect() }
            return
        }
        switch (state, end) {
        case (.delivering(_, let lines), .confirmed):
            timer.stop()
            state = .idle
            complete(lines, .sent)
            next()
        case (.delivering(_, let lines), .failed(let error, let accepted)):
            let untouched = lines.untouchedStart(accepted: accepted)
            waiting.insert(contentsOf: lines[untouched...], at: 0)
            attemptFailed(.connection(error), unknown: Array(lines[..<untouched]))
        case (.connecting, .failed(let error, _)): attemptFailed(.connection(error))
        case (.connecting, .confirmed), (.idle, _), (.pausing, _), (.blocked, _), (.closed, _):
            trap("a connection ended that was not open")
        }
    }

    private func timedOut() {
        switch state {
        case .connecting(let connection):
            connection.close()
            attemptFailed(.timedOut)
        case .blocked: attemptFailed(.timedOut)
        case .delivering(let connection, let lines):
            if connection.acceptedByteCount == 0 {
                connection.close()
                waiting.insert(contentsOf: lines, at: 0)
                attemptFailed(.timedOut)
            } else {
                earlier = connection
                state = .idle
                let untaken = lines.untakenStart(accepted: connection.acceptedByteCount)
                complete(Array(lines[..<untaken]), .sent)
                complete(Array(lines[untaken...]), .unknown(.timedOut(KeeperConstants.writeAttemptTimeout)))
                next()
            }
        case .idle, .pausing, .closed: trap("no attempt is under way")
        }
    }

    private enum Failure {
        case timedOut
        case connection(UVError)
    }

    /// Counts the attempt against every line that waited for it; those with attempts left are tried again after a pause.
    ///
    /// The new state is complete before the first completion runs: completions may add lines or close the queue.
    ///
    /// - Parameter unknown: lines of the attempt that are not tried again.
    private func attemptFailed(_ failure: Failure, unknown: [WaitingLine] = []) {
        // The host has closed all handles of the loop: nothing can be tried again.
        guard !timer.isClosing else {
            state = .idle
            return completeClosed((sent: unknown, unsent: end().unsent))
        }
        timer.stop()
        let reason: KeeperError
        var isFinal = false
        switch failure {
        case .timedOut: reason = .timedOut(KeeperConstants.writeAttemptTimeout)
        case .connection(let reported):
            // The kernel refuses connections to a file that is no socket in the words for a socket without a listener.
            let error = reported == .connectionRefused && isOtherFile ? .notSocket : reported
            reason = .connection(path, error)
            isFinal = SessionQueue.isConfiguration(error)
        }
        for index in waiting.indices { waiting[index].failedAttempts += 1 }
        // The first lines have waited longest, so those that are out of attempts come first.
        let remaining = waiting.firstIndex { !isFinal && $0.failedAttempts < KeeperConstants.writeAttempts }
        let refused = Array(waiting[..<(remaining ?? waiting.count)])
        waiting.removeFirst(refused.count)
        state = .idle
        if let first = waiting.first {
            state = .pausing
            let pause = KeeperConstants.writeBackoffs[first.failedAttempts - 1]
            timer.start(after: pause) { [self] _ in attempt() }
        }
        complete(unknown, .unknown(reason))
        complete(refused, .refused(reason))
    }

    /// True if something is at the path that is no socket.
    private var isOtherFile: Bool { KeeperConnect.file(at: path).map { $0.kind != .socket } ?? false }

    private func next() {
        guard case .idle = state, !waiting.isEmpty else { return }
        attempt()
    }

    private func complete(_ lines: [WaitingLine], _ outcome: WriteOutcome) {
        for line in lines {
            lineCount -= 1
            byteCount -= line.bytes.count
        }
        for line in lines { line.completion(outcome) }
    }

    /// Errors that no second attempt can mend. A missing or refusing socket is none of them: a keeper may be starting.
    static func isConfiguration(_ error: UVError) -> Bool {
        switch error {
        case .accessDenied, .notPermitted, .notDirectory, .symbolicLink, .nameTooLong, .invalidArgument, .notSocket:
            true
        default: false
        }
    }
}
