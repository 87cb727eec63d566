internal import KeeperProtocol
internal import UVLoop

/// The carrier of lines to a raw socket, which never answers: for keepers without a channel, such as the original's.
///
/// All lines that wait when a connection opens go on it, up to a size that the kernel takes at once. The next
/// connection is made when this one has ended, so lines of two connections cannot overtake each other. A line counts as
/// sent when the keeper has closed its connection in order, or when the kernel has the whole line and the attempt's
/// time is over. A connection that got bytes and has not ended in time is not closed, since that could leave a fragment
/// of a line: it goes on in the background, and later lines wait for its end within their own attempts.
final class RawCourier: LineCourier {
    private enum State {
        case idle
        /// An attempt waits for the earlier connection to end.
        case blocked
        case connecting(KeeperConnection)
        /// The queue's sent lines are on the connection.
        case delivering(KeeperConnection)
    }

    /// The most bytes of a batch: less than the kernel's default socket buffer (212,992 bytes), so that a batch is
    /// taken whole or not at all.
    private static let batchByteCount = 131_072

    private let path: String
    /// The queue, which lets go of the courier when it is closed.
    private let queue: SessionQueue
    private let timer: TimerHandle
    private var state = State.idle
    /// A connection that has not ended, though its lines have their outcome.
    private var earlier: KeeperConnection?
    /// Earlier connections to keepers that have since been replaced. The connections stay open, since closing one could
    /// leave a fragment of a line; how they end is ignored.
    private var abandoned: [KeeperConnection] = []

    init(to path: String, of queue: SessionQueue) {
        self.path = path
        self.queue = queue
        timer = TimerHandle(on: queue.loop)
    }

    var isIdle: Bool { if case .idle = state { earlier == nil && abandoned.isEmpty } else { false } }

    func linesChanged() {}

    func rest() {}

    func close() {
        timer.close()
        switch state {
        case .connecting(let connection), .delivering(let connection): connection.close()
        case .idle, .blocked: break
        }
        state = .idle
        earlier?.close()
        earlier = nil
        for connection in abandoned { connection.close() }
        abandoned = []
    }

    /// Begins an attempt; its time covers waiting, connecting, writing and the end.
    func attempt() {
        timer.start(after: KeeperConstants.writeAttemptTimeout) { [self] _ in timedOut() }
        if let earlier {
            // A frozen keeper must not block its successor.
            guard let socket = earlier.socket, let current = KeeperConnect.file(at: path)?.identity, current != socket
            else { return state = .blocked }
            abandoned.append(earlier)
            self.earlier = nil
        }
        connect()
    }

    private func connect() {
        do throws(UVError) {
            state = .connecting(
                try KeeperConnection(
                    to: path, on: queue.loop,
                    onOpen: { [self] in opened($0) },
                    onEnd: { [self] in ended($0, $1) }))
        } catch {
            // The connect was refused at once; the lines must not complete inside the call that added them.
            state = .blocked
            queue.loop.onNextTick { [self] in
                // The queue was closed meanwhile.
                guard case .blocked = state else { return }
                failed(error)
            }
        }
    }

    private func opened(_ connection: KeeperConnection) {
        var (bytes, count): ([UInt8], Int) = ([], 0)
        queue.lines.forEachUnsent { line in
            guard count == 0 || bytes.count + line.byteCount <= RawCourier.batchByteCount else { return false }
            line.append(rawTo: &bytes)
            count += 1
            return true
        }
        queue.lines.send(count: count)
        state = .delivering(connection)
        connection.write(bytes)
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
        switch end {
        case .confirmed: endAttempt([(queue.lines.takeAll(.sent), .sent)])
        case .failed(let error, let accepted):
            let lines = queue.lines.takeAll(.sent)
            let (lost, untouched) = lines.split(at: lines.untouchedStart(accepted: accepted))
            queue.lines.putBack(untouched)
            failed(error, lost: lost)
        }
    }

    private func timedOut() {
        let time = KeeperConstants.writeAttemptTimeout
        switch state {
        case .delivering(let connection) where connection.acceptedByteCount > 0:
            earlier = connection
            let lines = queue.lines.takeAll(.sent)
            let (taken, cut) = lines.split(at: lines.untakenStart(accepted: connection.acceptedByteCount))
            endAttempt([(taken, .sent), (cut, .unknown(.timedOut(time)))])
        case .connecting(let connection), .delivering(let connection):
            connection.close()
            queue.lines.putBack(queue.lines.takeAll(.sent))
            fallthrough
        case .blocked:
            state = .idle
            queue.attemptFailed(.timedOut(time))
        case .idle: trap("no attempt is under way")
        }
    }

    private func endAttempt(_ outcomes: [(lines: [WaitingLine], outcome: WriteOutcome)]) {
        timer.stop()
        state = .idle
        queue.attemptEnded(outcomes)
    }

    private func failed(_ reported: UVError, lost: [WaitingLine] = []) {
        timer.stop()
        state = .idle
        // A file that is no socket gets the same error from the kernel as a socket without a listener.
        let kind = reported == .connectionRefused ? KeeperConnect.file(at: path)?.kind : nil
        let error = kind == nil || kind == .socket ? reported : .notSocket
        queue.attemptFailed(.connection(path, error), lost: lost)
    }
}

extension [WaitingLine] {
    fileprivate func split(at index: Int) -> (before: [WaitingLine], after: [WaitingLine]) {
        (Array(self[..<index]), Array(self[index...]))
    }

    /// The index of the first line that is not whole among the `accepted` bytes.
    fileprivate func untakenStart(accepted: UInt64) -> Int {
        var end: UInt64 = 0
        for (index, line) in enumerated() {
            end += UInt64(line.byteCount)
            guard end <= accepted else { return index }
        }
        return count
    }

    /// The index of the first line of which no byte is among the `accepted` ones.
    fileprivate func untouchedStart(accepted: UInt64) -> Int {
        var offset: UInt64 = 0
        for (index, line) in enumerated() {
            guard offset < accepted else { return index }
            offset += UInt64(line.byteCount)
        }
        return count
    }
}
