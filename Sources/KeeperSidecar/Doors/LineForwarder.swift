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
    /// When no line has been unfinished for so long, the memory of such lines is given back.
    static let rest = Duration.seconds(1)
    /// Less memory than this is not given back.
    static let smallMemory = 1 << 20
    /// A child that needs longer for what waits is slow: clients are not held to their shares any more.
    static let shareTime = Duration.milliseconds(50)

    /// How far the session's end has come.
    private enum Phase {
        case serving
        /// Lines that have been read are still written, nothing more is read.
        case ending
        /// The session is over.
        case stopped
    }

    /// The way that lines go.
    enum Way {
        case open
        /// Lines that have been read are still written, nothing more is read; then the child's stdin is closed.
        case ending
        /// Nobody reads the child's stdin: lines are left unread, and their connections reset.
        case broken
        /// The session is over.
        case stopped
    }

    let loop: Loop
    let input: ChildInput
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
    /// Gives back the memory of unfinished lines.
    let restTimer: TimerHandle
    /// Ends the clients' shares when the child is slow.
    let shareTimer: TimerHandle
    /// False while the child is slow.
    var hasShares = true
    /// True if unfinished lines took so much memory that freeing them is worth a look for what the C library keeps.
    var hadUnfinished = false
    /// Bytes of unfinished lines of all its clients.
    private(set) var pendingByteCount = 0
    let budget: ClientBudget
    private var phase = Phase.serving
    /// True while another door waits for room: then this one has no more than that.
    var isOtherDoorCrowded: () -> Bool = { false }
    var isPaused = false

    init(input: ChildInput, listener: PipeListener, limits: LineLimits, budget: ClientBudget, log: KeeperLog) {
        loop = input.loop
        restTimer = TimerHandle(on: loop)
        shareTimer = TimerHandle(on: loop)
        self.input = input
        self.listener = listener
        self.limits = limits
        self.budget = budget
        drops = NoteLimiter(log, subject: "drop line")
        refusals = NoteLimiter(log, subject: "cannot accept clients for now")
        budget.largest.append { [unowned self] in largest }
    }

    func changePending(by difference: Int) {
        pendingByteCount += difference
        budget.changePending(by: difference)
    }

    deinit { buffer.deallocate() }

    var way: Way {
        switch (phase, input.state) {
        case (.serving, .open): .open
        case (.serving, .ending), (.serving, .closed): .broken
        case (.ending, .open), (.ending, .ending): .ending
        case (.ending, .closed), (.stopped, _): .stopped
        }
    }

    // MARK: Lines

    /// Passes on whole lines of a client.
    func take(_ lines: RawSpan, from client: LineClient) {
        if case .broken = way { return lose(client) }
        let end = lines.withUnsafeBytes { input.append($0, count: NewlineScan.count(in: $0), from: .raw) }
        guard let end else {
            if input.isOpen { drops.note("there is no memory for \(lines.byteCount) bytes that wait for pi") }
            return lose(client)
        }
        client.end = max(client.end, end)
    }

    /// The child's pipe has taken more.
    func progressed() {
        if input.written == input.enqueued { hasShares = true }
        for client in clients.values where client.state == .finished && client.end <= input.written {
            drop(client)
        }
        resumePaused()
    }

    // MARK: The end

    /// Nobody reads the child's stdin any more.
    func breakDown() {
        guard case .serving = phase else { return }
        let lost = input.enqueued - input.written
        if lost > 0 { drops.note("pi has closed its stdin; \(lost) bytes that waited for it are lost") }
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
    }

    /// Reads nothing more from anybody, and closes the child's stdin, at once or later, when its pipe has taken all lines that
    /// were read, or never will: it gets no piece of a line.
    func endInput() {
        guard case .serving = phase else { return }
        stopReading()
        phase = .ending
        input.end()
    }

    /// Reads nothing more from anybody, and loses the lines that wait for the child.
    func cutInput() {
        if case .serving = phase { stopReading() }
        phase = .ending
        input.cut()
    }

    /// Writes nothing more to a child that is being killed. Its stdin stays open until it has ended, so that it can be told
    /// what it never read. Idempotent.
    func abandonStdin(childHasEnded: Bool) {
        // A line that comes from now on has nowhere to go.
        if case .serving = phase { stopReading() }
        phase = .stopped
        if childHasEnded { input.close(childHasEnded: true) } else { input.abandon() }
    }

    /// Reads and writes nothing more.
    func stop() {
        phase = .stopped
        drops.flush()
        refusals.flush()
        for client in clients.values { client.unwatch() }
    }
}
