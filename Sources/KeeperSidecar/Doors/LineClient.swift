internal import KeeperProtocol
internal import UVLoop

/// A connection on the session's raw socket, and how far it has been read.
final class LineClient {
    enum State {
        /// The client is read when the loop reports something to read.
        case reading
        /// The client is not read for now: the child's pipe is full, and so is the memory for waiting lines, or this
        /// client's share of it.
        case paused
        case closed
    }

    /// The connection's number, counted from 1; a connection with a lower number came earlier.
    let number: UInt64
    var descriptor: Int32 { connection?.number ?? -1 }
    private var connection: OwnedDescriptor?
    var framer: LineFramer
    var state = State.reading
    /// True if the client is to be read in this turn.
    var isReady = false
    /// True if the peer has finished sending, so that an end follows what can be read now.
    var isAtEnd = false
    /// Bytes read of this client since the child's pipe last had all its lines, or since another client came.
    var share = 0
    /// The number of its last turn that has used up the room for lines; 0 if its last turn has not.
    var lastTurn: UInt64 = 0
    /// The number of the last such turn of any client when this one came.
    private let firstTurn: UInt64
    /// Bytes read since the client was found closed with bytes unread; nil if it was not found so.
    var readAfterGivingUp: Int?
    /// The offset of the end of its last line in everything taken; 0 if it has sent none.
    var end: UInt64 = 0
    private let loop: Loop
    /// Nil until the client must be waited for: most clients have sent everything by the time they are accepted.
    private var poll: PollHandle?
    private(set) var isWatched = false

    /// Takes over the descriptor.
    ///
    /// - Parameter turn: the number of the last turn of any client that has used up the room.
    init(_ descriptor: Int32, number: UInt64, turn: UInt64, maximumLineLength: Int, on loop: Loop) {
        self.number = number
        firstTurn = turn
        connection = OwnedDescriptor(descriptor)
        self.loop = loop
        framer = LineFramer(maximumLineLength: maximumLineLength)
    }

    /// Calls `onReady` whenever there is something to read, the end included.
    func watch(_ onReady: @escaping (LineClient) -> Void) throws(UVError) {
        guard !isWatched else { return }
        if poll == nil { poll = try PollHandle(descriptor: descriptor, on: loop) }
        try poll?.start([.readable, .disconnect]) { [unowned self] _, events, error in
            // An error ends the watch; the next read returns the error.
            if error != nil { isWatched = false }
            isAtEnd = isAtEnd || events.contains(.disconnect)
            onReady(self)
        }
        isWatched = true
    }

    func unwatch() {
        guard isWatched else { return }
        isWatched = false
        poll?.stop()
    }

    /// Reads on after a pause, during which the peer may have closed unnoticed.
    func resume() {
        state = .reading
        lookAtPeer()
    }

    /// Notes if the peer has finished, or closed with bytes unread.
    func lookAtPeer() {
        let hangUp = Descriptors.hangUp(of: descriptor)
        isAtEnd = isAtEnd || hangUp != .nothing
        if readAfterGivingUp == nil, hangUp == .everything { readAfterGivingUp = 0 }
    }

    /// True if this client is read before another: if it came earlier, or has waited longer since it used up the room. One
    /// that has finished goes before all that came later.
    func goesBefore(_ other: LineClient) -> Bool {
        turn == other.turn ? number < other.number : turn < other.turn
    }

    private var turn: UInt64 { isAtEnd ? firstTurn : max(firstTurn, lastTurn) }

    /// True if the peer gave up in the middle of a line. The peer closed while it was not read, and left a full buffer:
    /// if the buffer had had room, the peer need not have waited. The rest of its last line is then a fragment, not a
    /// line whose newline is missing.
    var hasGivenUp: Bool {
        guard let readAfterGivingUp else { return false }
        return readAfterGivingUp >= LineClient.fullBuffer && framer.pendingByteCount >= LineClient.longPiece
    }

    /// A socket's buffer with at least this many bytes may be full; by default it holds 208 KiB, overhead included.
    private static let fullBuffer = 131_072
    /// A system takes a write that does not fit in pieces no smaller than this, in bytes.
    private static let longPiece = 32768

    /// Closes the connection.
    func close() {
        guard state != .closed else { return }
        state = .closed
        poll?.close()
        // The loop no longer uses the descriptor: closing a poll handle takes it out of epoll at once.
        connection.take()?.close()
    }
}
