import UVKeeper

/// Lines on connections of the writer's own, many on each; the end of a connection confirms its lines.
///
/// After a failure the lines of which nothing was accepted are refused, the others unknown; the next connection is made
/// after a pause.
final class PipelinedChannel: LineChannel {
    private struct Line {
        let end: UInt64
        let start: UInt64
        let completion: (Ledger.Outcome) -> Void
    }

    private enum State {
        case idle
        case pausing
        case connecting(KeeperConnection)
        case open(KeeperConnection)
        /// Its last line is sent; the next connection waits for its end, so that lines stay in order.
        case finishing(KeeperConnection)
        case closed
    }

    private let path: String
    private let loop: Loop
    private let linesPerConnection: Int
    private let timer: TimerHandle
    private var state = State.idle
    private var waiting: [([UInt8], (Ledger.Outcome) -> Void)] = []
    private var sent: [Line] = []
    private var sentByteCount: UInt64 = 0
    private var isFull = false
    private var waitingByteCount = 0
    /// Lines and bytes that may wait, as with the manager.
    private static let waitingLimit = (lines: 10_000, bytes: 67_108_864)

    init(to path: String, on loop: Loop, linesPerConnection: Int) {
        self.path = path
        self.loop = loop
        self.linesPerConnection = linesPerConnection
        timer = TimerHandle(on: loop)
    }

    var isReady: Bool { !isFull && waiting.count < linesPerConnection }

    func send(_ bytes: [UInt8], completion: @escaping (Ledger.Outcome) -> Void) {
        let limit = PipelinedChannel.waitingLimit
        guard waiting.count < limit.lines, waitingByteCount + bytes.count <= limit.bytes else {
            return loop.onNextTick { completion(.overflowed) }
        }
        waiting.append((bytes, completion))
        waitingByteCount += bytes.count
        switch state {
        case .idle: connect()
        case .open(let connection) where !isFull: flush(on: connection)
        case .open, .connecting, .finishing, .pausing, .closed: break
        }
    }

    func close() {
        timer.close()
        switch state {
        case .connecting(let connection), .open(let connection), .finishing(let connection): connection.close()
        case .idle, .pausing, .closed: break
        }
        state = .closed
        for line in sent { line.completion(.unknown) }
        for line in waiting { line.1(.refused) }
        sent = []
        waiting = []
        waitingByteCount = 0
    }

    private func connect() {
        do throws(UVError) {
            let connection = try KeeperConnection(
                to: path, on: loop,
                onOpen: { [weak self] in self?.opened($0) },
                onEnd: { [weak self] in self?.ended($1) })
            state = .connecting(connection)
        } catch {
            state = .pausing
            timer.start(after: .milliseconds(20)) { [weak self] _ in self?.refuseAndRetry() }
        }
    }

    private func opened(_ connection: KeeperConnection) {
        state = .open(connection)
        connection.onDrain = { [weak self] in
            self?.isFull = false
            self?.flush(on: $0)
        }
        flush(on: connection)
    }

    private func flush(on connection: KeeperConnection) {
        guard case .open = state else { return }
        while !waiting.isEmpty, sent.count < linesPerConnection, !isFull {
            // In one write what waits, up to a size: many small lines must not cost a system call each.
            var bytes: [UInt8] = []
            while let (line, completion) = waiting.first, sent.count < linesPerConnection, bytes.count < 65536 {
                let start = sentByteCount
                sentByteCount += UInt64(line.count)
                sent.append(Line(end: sentByteCount, start: start, completion: completion))
                bytes = bytes.isEmpty ? line : bytes + line
                waiting.removeFirst()
                waitingByteCount -= line.count
            }
            if !connection.write(bytes) { isFull = true }
        }
        // Nobody has more to send now: a confirmation is worth more than a full connection.
        if sent.count >= linesPerConnection || waiting.isEmpty {
            state = .finishing(connection)
            connection.finish()
        }
    }

    private func ended(_ end: KeeperConnection.End) {
        let lines = sent
        sent = []
        sentByteCount = 0
        isFull = false
        state = .idle
        switch end {
        case .confirmed:
            for line in lines { line.completion(.written) }
            if case .idle = state, !waiting.isEmpty { connect() }
        case .failed(_, let accepted):
            state = .pausing
            timer.start(after: .milliseconds(20)) { [weak self] _ in self?.retry() }
            for line in lines { line.completion(line.start >= accepted ? .refused : .unknown) }
            refuseWaiting()
        }
    }

    private func refuseAndRetry() {
        state = .idle
        refuseWaiting()
    }

    private func refuseWaiting() {
        let lines = waiting
        waiting = []
        waitingByteCount = 0
        for line in lines { line.1(.refused) }
    }

    private func retry() {
        state = .idle
        if !waiting.isEmpty { connect() }
    }
}
