internal import KeeperProtocol
internal import UVLoop

/// Carries lines from any number of clients to the child's stdin: whole, verbatim, and in the order in which the clients
/// came.
///
/// Lines are read into memory at once, up to a bound; beyond it the clients' own writes stop. A client is told that the
/// child's pipe has taken its lines by the close of its connection, which comes only then.
///
/// Reading goes in turns (``LineForwarder/turn()``): after each wait of the loop the clients that have sent something are
/// read in the order in which they came, each until nothing is left, but at most ``LineLimits/turnByteCount``, which is more than a
/// socket's buffer holds. So a client that has closed is read to its end before one that connected later, and a greedy one
/// starves nobody. A fresh client is first read after the next wait, which has told of everything that was sent before it
/// connected.
///
/// A client has as much in the queue as is read in a turn, but for the end of a line. It has more when another one comes,
/// since what it sent before that goes first, and when the child is slow. So a stream of lines goes through memory that the
/// processor has at hand.
final class LineForwarder {
    /// How many bytes are looked at, at least, for the end of a line.
    static let shortestLook = 4096
    /// How many blocks the child's pipe is given in a row, as long as it takes them.
    static let blocksInRow = 16
    /// When no line has waited for so long, the memory for such lines is given back.
    static let rest = Duration.seconds(1)
    /// Less memory than this is not given back.
    static let smallMemory = 1 << 20
    /// A child that needs longer for what waits is slow: clients are not held to their shares any more.
    static let shareTime = Duration.milliseconds(50)

    /// The way that lines go.
    enum Input {
        case open
        /// Lines that have been read are still written, nothing more is read; then the child's stdin is closed.
        case ending
        /// Nobody reads the child's stdin: lines are left unread, and their connections reset.
        case broken
        /// The session is over.
        case stopped
    }

    let loop: Loop
    let child: PipeStream
    /// The one that gives the clients; another one after the session's socket was made anew.
    var listener: PipeListener {
        didSet { if isPaused { listener.pause() } }
    }
    let limits: LineLimits
    let drops: NoteLimiter
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
    let refusals: NoteLimiter
    var clients: [UInt64: LineClient] = [:]
    /// Those that are paused.
    var paused: [LineClient] = []
    /// The number of the earliest of them that waits for room, and not for its share; later ones are not read before it.
    var earliestWaiting = UInt64.max
    /// Those to be read in the next turn.
    var ready: [LineClient] = []
    var spare: [LineClient] = []
    /// Those that were accepted in this round of the loop, and are not watched.
    var fresh: [LineClient] = []
    var isTurnScheduled = false
    var lastNumber: UInt64 = 0
    var queue = LineQueue()
    /// Gives back the queue's memory.
    let restTimer: TimerHandle
    /// Ends the clients' shares when the child is slow.
    let shareTimer: TimerHandle
    /// False while the child is slow.
    var hasShares = true
    /// True if a line waited since the timer was started.
    var hasQueued = false
    /// True if unfinished lines took so much memory that freeing them is worth a look for what the C library keeps.
    var hadUnfinished = false
    /// Bytes of the lines read so far.
    private(set) var enqueued: UInt64 = 0
    /// Bytes of these that the child's stream was given.
    private var handed: UInt64 = 0
    /// Bytes of these that the child's pipe has taken for sure.
    private(set) var taken: UInt64 = 0
    /// Bytes of unfinished lines of all clients.
    var pendingByteCount = 0
    var input = Input.open
    var isPaused = false
    /// Called once when nobody reads the child's stdin any more.
    var onStdinClosed: ((UVError) -> Void)?

    init(child: PipeStream, listener: PipeListener, limits: LineLimits, log: KeeperLog) {
        loop = child.loop
        restTimer = TimerHandle(on: loop)
        shareTimer = TimerHandle(on: loop)
        self.child = child
        self.listener = listener
        self.limits = limits
        drops = NoteLimiter(log, subject: "drop line")
        refusals = NoteLimiter(log, subject: "cannot accept clients for now")
        child.onDrain = { [weak self] _ in self?.pump() }
        child.onWriteError = { [weak self] _, error in self?.breakDown(error) }
    }

    deinit { buffer.deallocate() }

    // MARK: Lines

    /// Passes on whole lines of a client.
    func take(_ lines: RawSpan, from client: LineClient) {
        let count = UInt64(lines.byteCount)
        if case .broken = input { return lose(client) }
        if queue.isEmpty, child.queuedByteCount == 0, hasMemory(for: lines.byteCount) {
            handed += count
            child.write(lines)
        } else if !queue.append(lines) {
            drops.note("there is no memory for \(count) bytes that wait for pi")
            return lose(client)
        } else {
            hasQueued = true
        }
        enqueued += count
        client.end = max(client.end, enqueued)
        // Nothing else wakes the queue up while the child's stream has nothing to do.
        if !queue.isEmpty, child.queuedByteCount == 0 { loop.onNextTick { [weak self] in self?.pump() } }
        noteTaken()
        if let error = child.writeError { breakDown(error) }
    }

    /// True if what the child's pipe does not take of so many bytes can be kept: a line that is written in part must be
    /// written whole.
    private func hasMemory(for byteCount: Int) -> Bool {
        byteCount <= buffer.count || child.makeRoom(forWriting: byteCount)
    }

    private func noteTaken() {
        if child.queuedByteCount == 0, child.writeError == nil { taken = handed }
        if taken == enqueued { hasShares = true }
    }

    /// The child's pipe has taken what it was given: gives it more, and tells those whose lines are in it.
    private func pump() {
        guard child.writeError == nil, !child.isClosing else { return }
        noteTaken()
        var blocks = 0
        while !queue.isEmpty, child.queuedByteCount == 0, child.writeError == nil, blocks < LineForwarder.blocksInRow {
            queue.takeFirst { block in
                handed += UInt64(block.byteCount)
                child.write(block)
            }
            noteTaken()
            blocks += 1
        }
        if let error = child.writeError { return breakDown(error) }
        if !queue.isEmpty, child.queuedByteCount == 0 { loop.onNextTick { [weak self] in self?.pump() } }
        for client in clients.values where client.state == .finished && client.end <= taken {
            drop(client)
        }
        if case .ending = input {
            guard waitingByteCount == 0 else { return }
            input = .stopped
            return closeStdin()
        }
        releaseLater()
        resumePaused()
    }

    // MARK: The end

    /// Nobody reads the child's stdin any more.
    func breakDown(_ error: UVError) {
        switch input {
        case .broken, .stopped: return
        case .open, .ending: break
        }
        let isEnding = if case .ending = input { true } else { false }
        input = .broken
        let lost = waitingByteCount
        if lost > 0 { drops.note("pi has closed its stdin; \(lost) bytes that waited for it are lost") }
        queue.removeAll()
        queue.releaseSpare()
        for client in clients.values {
            switch client.state {
            case .finished: hold(client)
            case .paused:
                client.state = .reading
                schedule(client)
            case .reading, .held, .closed: break
            }
        }
        paused = []
        earliestWaiting = .max
        let onStdinClosed = onStdinClosed
        self.onStdinClosed = nil
        onStdinClosed?(error)
        if isEnding { closeStdin() }
    }
}
