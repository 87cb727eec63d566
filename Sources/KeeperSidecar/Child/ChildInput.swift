internal import UVLoop

/// The way to the child's stdin: one queue of lines, whatever door they came by, in the order in which they were taken.
///
/// Bytes are counted from the first one that was ever taken. A line is *taken* when it is here, and in the child's pipe once
/// ``taken`` has passed its end.
final class ChildInput {
    /// The doors that lines come by. Each has its own room.
    enum Door: Int {
        case raw
        case channel
    }

    enum State {
        case open
        /// Lines that were taken are still written, nothing more is taken; then the pipe closes.
        case ending
        /// The pipe is closed: by us, or, with the error of a write, by the child.
        case closed(UVError?)
    }

    /// Longer runs of lines are written from where they are, if nothing waits.
    static let shortestDirectWrite = 16384
    /// How many blocks the pipe is given in a row, as long as it takes them.
    private static let blocksInRow = 16
    /// When no line has waited for so long, the memory for such lines is given back.
    private static let rest = Duration.seconds(1)

    let loop: Loop
    private(set) var state = State.open
    /// Bytes of all lines that were taken.
    private(set) var enqueued: UInt64 = 0
    /// Bytes of these that the child's pipe has.
    private(set) var written: UInt64 = 0
    /// How many lines were taken.
    private(set) var lineCount: UInt64 = 0
    /// When the last line was taken, since 1970; nil: never.
    private(set) var lastLineAt: Duration?
    /// Since when the child has not read although something waits, since 1970.
    private(set) var blockedSince: Duration?
    /// What was in the pipe, and never read, when it was closed; nil while it is open, or if it cannot be known.
    private(set) var unreadByteCount: Int?

    /// Called when the pipe has taken more, or there is room again.
    var onProgress: (() -> Void)?
    /// Called once when the pipe closes, with the error if it is the child that has closed it.
    var onClosed: ((UVError?) -> Void)?

    private var pipe: OwnedDescriptor?
    private let poll: PollHandle
    private let watches: Backoff
    private let restTimer: TimerHandle
    private var queue = LineQueue()
    /// True while nothing is written before the loop says that there is room.
    private var isFull = false
    private var isFlushScheduled = false
    /// True if the last byte that the pipe has does not end a line.
    private var isInLine = false
    /// True if a line waited since the timer was started.
    private var hasQueued = false
    private var runs = LineRuns()

    /// Takes over the pipe, which does not block.
    init(_ pipe: consuming OwnedDescriptor, on loop: Loop) throws(UVError) {
        self.loop = loop
        let number = pipe.number
        do throws(UVError) { poll = try PollHandle(descriptor: number, on: loop) } catch {
            pipe.close()
            throw error
        }
        restTimer = TimerHandle(on: loop)
        watches = Backoff(from: .milliseconds(50), to: .milliseconds(50), on: loop)
        self.pipe = consume pipe
        watch()
    }

    // MARK: Lines

    /// Bytes that the child's pipe has not taken.
    var waitingByteCount: Int { queue.count }

    /// Those of them that came by one door.
    func waitingByteCount(from door: Door) -> Int { runs.byteCount(from: door) }

    var isOpen: Bool { if case .open = state { true } else { false } }

    /// Takes whole lines; they are written at the end of this turn of the loop, or as soon as the pipe has room.
    ///
    /// - Returns: where they end in all that was taken; nil if there is no memory for them, or the pipe is not open any more.
    func append(_ lines: UnsafeRawBufferPointer, count: Int = 1, from door: Door) -> UInt64? {
        guard case .open = state else { return nil }
        var rest = lines
        if queue.isEmpty, !isFull, lines.count >= ChildInput.shortestDirectWrite {
            // A line that is written in part must be written whole.
            guard queue.reserve(lines.count) else { return nil }
            let sent = send(lines)
            rest = UnsafeRawBufferPointer(rebasing: lines[sent...])
        }
        if case .closed = state { return nil }
        guard queue.append(rest) else { return nil }
        enqueued += UInt64(lines.count)
        noteTaken(count, waiting: rest.count, from: door)
        return enqueued
    }

    /// Takes short lines of one door, all that `body` adds to the queue: at once what ``append(_:count:from:)`` does for each.
    ///
    /// - Parameter body: is told where the first one begins in all that was taken, and returns how many it has added.
    func appendShort(from door: Door, _ body: (inout LineQueue, UInt64) -> Int) {
        guard case .open = state else { return }
        let before = queue.count
        let count = body(&queue, enqueued)
        guard count > 0 else { return }
        let byteCount = queue.count - before
        enqueued += UInt64(byteCount)
        noteTaken(count, waiting: byteCount, from: door)
    }

    /// Notes that lines were taken, and how many of their bytes are in the queue.
    private func noteTaken(_ count: Int, waiting waitingByteCount: Int, from door: Door) {
        lineCount += UInt64(count)
        lastLineAt = SystemClock.wallClockTime
        guard waitingByteCount > 0 else { return }
        hasQueued = true
        runs.append(waitingByteCount, from: door, upTo: enqueued)
        scheduleFlush()
    }

    private func scheduleFlush() {
        guard !isFull, !isFlushScheduled else { return }
        isFlushScheduled = true
        // Not weak: that would make every further retain many times as slow, and a line takes some.
        loop.onNextTick { [self] in
            isFlushScheduled = false
            flush()
        }
    }

    /// Writes what waits, as long as the pipe takes it.
    func flush() {
        let before = written
        var blocks = 0
        while !queue.isEmpty, !isFull, blocks < ChildInput.blocksInRow {
            let bytes = queue.firstBytes
            let sent = send(bytes)
            if case .closed = state { return }
            queue.removeFirst(sent)
            blocks += 1
        }
        if !queue.isEmpty { scheduleFlush() }
        if written > before { progressed() }
    }

    /// Gives the pipe what it takes of `bytes`; notes that it is full, or that nobody reads it.
    private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let number = pipe?.number else { return 0 }
        switch Descriptors.send(bytes, to: number) {
        case .bytes(let count):
            written += UInt64(count)
            if count > 0 { isInLine = bytes[count - 1] != NewlineScan.newline }
            blockedSince = nil
            runs.noteWritten(upTo: written)
            if count < bytes.count { becomeFull() }
            return count
        case .wouldBlock:
            becomeFull()
            return 0
        case .failed(let error):
            close(error)
            return 0
        }
    }

    private func progressed() {
        if case .ending = state, queue.isEmpty { return close(nil) }
        releaseLater()
        onProgress?()
    }

    /// An idle keeper keeps hardly any memory for lines; between lines that follow each other it does.
    private func releaseLater() {
        guard queue.isEmpty, queue.hasSpare, !restTimer.isActive else { return }
        hasQueued = false
        restTimer.start(after: ChildInput.rest) { [unowned self] _ in
            guard queue.isEmpty else { return }
            if hasQueued { return releaseLater() }
            queue.releaseSpare()
        }
    }

    // MARK: The pipe

    private func becomeFull() {
        isFull = true
        if blockedSince == nil { blockedSince = SystemClock.wallClockTime }
        watch()
    }

    /// Has the loop tell when the pipe has room, if it is full, and when nobody reads it any more, which it always tells.
    private func watch() {
        do throws(UVError) {
            try poll.start(isFull ? [.writable, .prioritized] : .prioritized) { [unowned self] _, events, error in
                // The loop tells of an error as the one or the other.
                if error != nil || events.contains(.prioritized) { return broken() }
                if events.contains(.writable) { becomeWritable() }
            }
        } catch {
            // No watch is left for it, of the user's or the system's.
            watches.start(isReferenced: false) { [unowned self] in isFull ? becomeWritable() : watch() }
        }
    }

    private func becomeWritable() {
        guard isFull else { return }
        isFull = false
        flush()
        guard !isFull, pipe != nil else { return }
        blockedSince = nil
        watch()
    }

    /// The loop tells of an error when the last reader has gone.
    private func broken() {
        // The write says the same, and which one it is.
        guard let number = pipe?.number, Descriptors.isBroken(number) else { return watch() }
        close(.brokenPipe)
    }

    // MARK: The end

    /// Takes nothing more, and closes the pipe when it has taken everything: at once, if nothing waits.
    func end() {
        guard case .open = state else { return }
        state = .ending
        guard !queue.isEmpty else { return close(nil) }
        flush()
        // Whoever waits for room never gets any.
        onProgress?()
    }

    /// Takes nothing more, and loses what waits but for the rest of a line that is half in the pipe: the child gets no piece of
    /// one. Then the pipe closes.
    func cut() {
        if case .closed = state { return }
        state = .ending
        guard isInLine, !queue.isEmpty else { return close(nil) }
        queue.cutAfterLine()
        onProgress?()
    }

    /// Writes nothing more, and loses what waits. The pipe stays open, so that ``close(childHasEnded:)`` can tell what the child
    /// has never read.
    func abandon() { lose(nil) }

    /// Closes the pipe; what waits for it is lost.
    ///
    /// - Parameter childHasEnded: true if nobody reads any more what is in it.
    func close(childHasEnded: Bool = false) { close(nil, childHasEnded: childHasEnded) }

    private func close(_ error: UVError?, childHasEnded: Bool = false) {
        lose(error)
        guard let number = pipe?.number else { return }
        // A child that lives may still read it, and nobody can look any more.
        let unread = Descriptors.unreadByteCount(of: number)
        unreadByteCount = error != nil || childHasEnded || unread == 0 ? unread : nil
        pipe.take()?.close()
    }

    private func lose(_ error: UVError?) {
        if case .closed = state { return }
        state = .closed(error)
        poll.close()
        watches.close()
        restTimer.close()
        queue.removeAll()
        queue.releaseSpare()
        runs = LineRuns()
        blockedSince = nil
        onProgress = nil
        let onClosed = onClosed
        self.onClosed = nil
        loop.onNextTick { onClosed?(error) }
    }
}
