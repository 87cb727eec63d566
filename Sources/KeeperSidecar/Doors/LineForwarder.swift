internal import KeeperProtocol
internal import UVLoop

/// The carrier of lines from any number of clients to the child's stdin: whole, verbatim, and in the order in which the
/// clients came.
///
/// Lines are read into memory at once, up to a bound; beyond it the clients' own writes stop. A connection is closed
/// when it has been read to its end; the close confirms nothing, only the channel tells what became of a line.
///
/// Reading goes in turns (``LineForwarder/turn()``): after each wait of the loop the clients that have sent something
/// are read in the order in which they came, each until nothing is left, but at most ``LineLimits/turnByteCount``,
/// which is more than a socket's buffer holds. A client that has closed is thus read to its end before one that
/// connected later, and a greedy client starves no other. A fresh client is first read after the next wait, which has
/// reported everything sent before it connected. Where there is less room than clients would fill, those that have used
/// it up go after the others.
///
/// A client's share of the queue is as much as is read in a turn, plus the rest of a line. The share is renewed when
/// another client comes, since earlier bytes go first, and has no bound when the child is slow. A stream of lines thus
/// goes through memory that stays in the processor's cache.
final class LineForwarder {
    /// The least number of bytes looked at for the end of a line.
    static let shortestLook = 4096
    /// The memory of unfinished lines is given back when no line has been unfinished for this long.
    static let rest = Duration.seconds(1)
    /// Memory of fewer bytes than this is not given back.
    static let smallMemory = 1 << 20
    /// A child that needs longer than this for the waiting bytes is slow: clients are not held to their shares any
    /// more.
    static let shareTime = Duration.milliseconds(50)

    let loop: Loop
    let input: ChildInput
    /// The listener that accepts the clients; replaced when the session's socket is made anew.
    var listener: PipeListener {
        didSet { if isPaused { listener.pause() } }
    }
    let limits: LineLimits
    let drops: NoteLimiter
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
    let refusals: NoteLimiter
    var clients: [UInt64: LineClient] = [:]
    /// Paused clients.
    var paused: [LineClient] = []
    /// The number of the earliest paused client that waits for room, not for its share; later clients are not read
    /// before it.
    var earliestWaiting = UInt64.max
    /// Clients to be read in the next turn.
    var ready: [LineClient] = []
    var spare: [LineClient] = []
    /// Clients accepted in this round of the loop, not watched yet.
    var fresh: [LineClient] = []
    var isTurnScheduled = false
    /// The number of times that a client has used up the room.
    var turnCount: UInt64 = 0
    var lastNumber: UInt64 = 0
    /// The timer after which the memory of unfinished lines is given back.
    let restTimer: TimerHandle
    /// The timer that ends the clients' shares when the child is slow.
    let shareTimer: TimerHandle
    /// False while the child is slow.
    var hasShares = true
    /// True if unfinished lines took so much memory that the C library may keep some worth giving back.
    var hadUnfinished = false
    /// Bytes of unfinished lines of all clients of this door.
    private(set) var pendingByteCount = 0
    let budget: ClientBudget
    /// False once the session ends; nothing more is read then.
    private(set) var isServing = true
    /// True while clients of the other door wait for room; this door then uses no more than an equal amount.
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
        // The write may have found the pipe closed.
        guard let end else { return !input.isOpen }
        client.end = end
        return true
    }

    /// Called when the child's pipe has taken more bytes.
    func progressed() {
        if input.written == input.enqueued { hasShares = true }
        resumePaused()
    }

    // MARK: The end

    /// Called when the child's stdin has closed: clients that wait for room are read on, and their lines are dropped.
    func breakDown() {
        guard isServing else { return }
        let lost = input.enqueued - input.written
        if lost > 0 { drops.note("pi has closed its stdin; \(lost) bytes that waited for it are lost") }
        resumePaused()
    }

    /// Reads no client any more, and closes the child's stdin once its pipe has taken all lines read, or can take no
    /// more. The child gets no part of a line.
    func endInput() {
        stopReading()
        input.end()
    }

    /// Reads no client any more, and loses the lines that wait for the child.
    func cutInput() {
        stopReading()
        input.cut()
    }

    /// Writes nothing more to a child that is being killed. The stdin stays open until the child has ended, so that the
    /// bytes it never read can be counted. Idempotent.
    func abandonStdin(childHasEnded: Bool) {
        stopReading()
        if childHasEnded { input.close(childHasEnded: true) } else { input.abandon() }
    }

    private func stopReading() {
        isServing = false
        for client in clients.values { client.unwatch() }
    }

    /// Reads no client any more, and closes every connection.
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
