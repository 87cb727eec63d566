internal import KeeperProtocol
internal import UVLoop

/// One connection on the session's socket, and how far it has been read.
final class LineClient {
    enum State {
        /// More is read when the loop says that it has come.
        case reading
        /// Nothing is read for now: the child's pipe is full, and so is the room for lines that wait, or this client's share
        /// of it.
        case paused
        case closed
    }

    /// Connections count from 1; one with a lower number came earlier.
    let number: UInt64
    var descriptor: Int32 { connection?.number ?? -1 }
    private var connection: OwnedDescriptor?
    var framer: LineFramer
    var state = State.reading
    /// True if it is to be read in this turn.
    var isReady = false
    /// True if the peer has finished sending, so that an end follows what can be read now.
    var isAtEnd = false
    /// How much of it was read since the child's pipe had last taken all its lines, or another client came.
    var share = 0
    /// How much of it has been read since it was found closed with bytes unread; nil if it was not.
    var readAfterGivingUp: Int?
    /// Where the last of its lines ends in all that is written to the child; 0 if none was.
    var end: UInt64 = 0
    private let loop: Loop
    /// Nil until it must be waited for: most clients have sent everything by the time they are accepted.
    private var poll: PollHandle?
    private(set) var isWatched = false

    /// Takes over the descriptor.
    init(_ descriptor: Int32, number: UInt64, maximumLineLength: Int, on loop: Loop) {
        self.number = number
        connection = OwnedDescriptor(descriptor)
        self.loop = loop
        framer = LineFramer(maximumLineLength: maximumLineLength)
    }

    /// Calls `onReady` whenever something can be read, the end included.
    func watch(_ onReady: @escaping (LineClient) -> Void) throws(UVError) {
        guard !isWatched else { return }
        if poll == nil { poll = try PollHandle(descriptor: descriptor, on: loop) }
        try poll?.start([.readable, .disconnect]) { [unowned self] _, events, error in
            // An error ends the watch; the next read tells which one it is.
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

    /// Reads on after a pause, in which the peer may have closed, and nobody has told.
    func resume() {
        state = .reading
        lookAtPeer()
    }

    /// Finds out whether the peer has finished, or closed with bytes unread.
    func lookAtPeer() {
        let hangUp = Descriptors.hangUp(of: descriptor)
        isAtEnd = isAtEnd || hangUp != .nothing
        if readAfterGivingUp == nil, hangUp == .everything { readAfterGivingUp = 0 }
    }

    /// True if the peer gave up in the middle of a line. It closed while nothing was read, and left a full buffer: with
    /// room in it, it would not have had to wait. So what is left of its last line is a fragment, and not a line whose
    /// newline is missing.
    var hasGivenUp: Bool {
        guard let readAfterGivingUp else { return false }
        return readAfterGivingUp >= LineClient.fullBuffer && framer.pendingByteCount >= LineClient.longPiece
    }

    /// A socket's buffer that has so many bytes may be full; by default it holds 208 KiB, with all that belongs to them.
    private static let fullBuffer = 131_072
    /// A system takes a write that does not fit in pieces no smaller than this.
    private static let longPiece = 32768

    /// Closes the connection.
    func close() {
        guard state != .closed else { return }
        state = .closed
        poll?.close()
        // The loop has let go of it: closing a poll handle takes the descriptor out of epoll at once.
        connection.take()?.close()
    }
}
