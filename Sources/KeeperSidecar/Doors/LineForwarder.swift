internal import KeeperProtocol
internal import UVLoop

/// Carries lines from any number of clients to the child's stdin: whole, verbatim, and in the order in which the clients
/// came.
///
/// Lines are read into memory at once, up to a bound; beyond it the clients' own writes stop. A connection is closed when it has
/// been read to its end, which confirms nothing: what became of a line only the channel tells.
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
    /// False once the session ends: nothing more is read then.
    private(set) var isServing = true
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

    // MARK: Lines

    /// Passes on whole lines of a client, or drops them once the child's stdin takes nothing more.
    ///
    /// - Returns: false if there is no memory for them.
    func take(_ lines: RawSpan, from client: LineClient) -> Bool {
        guard input.isOpen else {
            drops.note("pi's stdin is closed; \(lines.byteCount) bytes for it are lost")
            return true
        }
        let end = lines.withUnsafeBytes { input.append($0, count: NewlineScan.count(in: $0), from: .raw) }
        // The write may have found it closed.
        guard let end else { return !input.isOpen }
        client.end = end
        return true
    }

    /// The child's pipe has taken more.
    func progressed() {
        if input.written == input.enqueued { hasShares = true }
        resumePaused()
    }

    // MARK: The end

    /// The child's stdin is closed: those that wait for room are read on, and their lines are dropped.
    func breakDown() {
        guard isServing else { return }
        let lost = input.enqueued - input.written
        if lost > 0 { drops.note("pi has closed its stdin; \(lost) bytes that waited for it are lost") }
        resumePaused()
    }

    /// Reads nothing more from anybody, and closes the child's stdin, at once or later, when its pipe has taken all lines that
    /// were read, or never will: it gets no piece of a line.
    func endInput() {
        stopReading()
        input.end()
    }

    /// Reads nothing more from anybody, and loses the lines that wait for the child.
    func cutInput() {
        stopReading()
        input.cut()
    }

    /// Writes nothing more to a child that is being killed. Its stdin stays open until it has ended, so that it can be told
    /// what it never read. Idempotent.
    func abandonStdin(childHasEnded: Bool) {
        stopReading()
        if childHasEnded { input.close(childHasEnded: true) } else { input.abandon() }
    }

    private func stopReading() {
        isServing = false
        for client in clients.values { client.unwatch() }
    }

    /// Reads nothing more, and closes every connection.
    func close() {
        stopReading()
        drops.flush()
        refusals.flush()
        for client in clients.values { client.close() }
        clients = [:]
        restTimer.close()
        shareTimer.close()
    }
}
