internal import UVLoop

/// The way to the child's stdin: one queue for the lines of all doors, in the order in which they were taken.
///
/// Bytes are counted from the first one that was ever taken. A line is *taken* when this queue has it; the line is in
/// the child's pipe once ``written`` has passed its end.
final class ChildInput {
    /// The doors that lines come by. Each has its own room.
    enum Door: Int {
        case raw
        case channel
    }

    enum State {
        case open
        /// Lines already taken are still written, no more are taken; then the pipe closes.
        case ending
        /// The pipe is closed: by this keeper (nil), or by the child, with the error of the write.
        case closed(UVError?)
    }

    /// Runs of lines of at least this many bytes are written straight from the caller's memory if nothing waits.
    static let shortestDirectWrite = 16384
    /// The number of blocks written in a row, as long as the pipe takes them.
    private static let blocksInRow = 16
    /// The memory for waiting lines is given back when no line has waited for this long.
    private static let rest = Duration.seconds(1)

    let loop: Loop
    private(set) var state = State.open
    /// Bytes of all lines taken.
    private(set) var enqueued: UInt64 = 0
    /// Bytes of these lines that are in the child's pipe.
    private(set) var written: UInt64 = 0
    /// The number of lines taken.
    private(set) var lineCount: UInt64 = 0
    /// The time at which the last line was taken, since 1970; nil if none was.
    private(set) var lastLineAt: Duration?
    /// The time since which bytes wait and the child does not read, since 1970; nil if nothing is blocked.
    private(set) var blockedSince: Duration?
    /// Bytes that were in the pipe, unread, when it was closed; nil while it is open, or if the number cannot be known.
    private(set) var unreadByteCount: Int?

    /// Called when the pipe has taken more bytes, or when there is room again.
    var onProgress: (() -> Void)?
    /// Called once when the pipe closes, with the error if the child has closed it.
    var onClosed: ((UVError?) -> Void)?
    /// The end of the channel's line of which a part is in the pipe; nil if there is none. Set by that door, since such a
    /// line may have newlines within.
    var endOfPart: () -> UInt64? = { nil }

    private var pipe: OwnedDescriptor?
    private let poll: PollHandle
    private let watches: Backoff
    private let restTimer: TimerHandle
    private var queue = LineQueue()
    /// True while nothing is written until the loop reports room in the pipe.
    private var isFull = false
    private var isFlushScheduled = false
    /// True if the last byte written to the pipe is a newline, which a line of the channel may have within.
    private var endsInNewline = true
    /// True if a line has waited since the timer was started.
    private var hasQueued = false
    private var runs = LineRuns()

    /// Takes over the pipe, which must not block.
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

    /// Bytes taken that are not yet in the child's pipe.
    var waitingByteCount: Int { queue.count }

    /// Bytes of one door's lines that are not yet in the child's pipe.
    func waitingByteCount(from door: Door) -> Int { runs.byteCount(from: door) }

    var isOpen: Bool { if case .open = state { true } else { false } }

    /// Takes whole lines; they are written at the end of this turn of the loop, or as soon as the pipe has room.
    ///
    /// - Returns: the offset of their end in everything taken; nil if there is no memory for them, or the pipe is no
    ///   longer open.
    func append(_ lines: UnsafeRawBufferPointer, count: Int = 1, from door: Door) -> UInt64? {
        guard case .open = state else { return nil }
        var rest = lines
        if queue.isEmpty, !isFull, lines.count >= ChildInput.shortestDirectWrite {
            // Memory comes first: once part of a line is written, the rest must be written too.
            guard queue.reserve(lines.count) else { return nil }
            let sent = send(lines)
            rest = UnsafeRawBufferPointer(rebasing: lines[sent...])
        }
        if case .closed = state { return nil }
        guard queue.append(rest) else { return nil }
        noteTaken(count, lines.count, waiting: rest.count, from: door)
        return enqueued
    }

    /// Takes the short lines of one door that `body` adds to the queue: in one call the same as
    /// ``append(_:count:from:)`` for each.
    ///
    /// - Parameter body: gets the offset at which the first line begins in everything taken; returns the number of
    ///   lines added.
    func appendShort(from door: Door, _ body: (inout LineQueue, UInt64) -> Int) {
        guard case .open = state else { return }
        let before = queue.count
        let count = body(&queue, enqueued)
        guard count > 0 else { return }
        let byteCount = queue.count - before
        noteTaken(count, byteCount, waiting: byteCount, from: door)
    }

    /// Notes that lines were taken, and how many of their bytes wait in the queue.
    private func noteTaken(_ count: Int, _ byteCount: Int, waiting waitingByteCount: Int, from door: Door) {
        let begin = enqueued
        enqueued += UInt64(byteCount)
        lineCount += UInt64(count)
        lastLineAt = SystemClock.wallClockTime
        guard waitingByteCount > 0 else { return }
        hasQueued = true
        runs.append(waitingByteCount, from: door, begin..<enqueued)
        scheduleFlush()
    }

    private func scheduleFlush() {
        guard !isFull, !isFlushScheduled else { return }
        isFlushScheduled = true
        // A strong capture: a weak one would make every later retain many times as slow, and each line takes several.
        loop.onNextTick { [self] in
            isFlushScheduled = false
            flush()
        }
    }

    /// Writes waiting bytes as long as the pipe takes them.
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

    /// Writes as much of `bytes` as the pipe takes; notes if the pipe is full or has no reader any more.
    private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let number = pipe?.number else { return 0 }
        switch Descriptors.send(bytes, to: number) {
        case .bytes(let count):
            written += UInt64(count)
            if count > 0 { endsInNewline = bytes[count - 1] == NewlineScan.newline }
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

    /// An idle keeper keeps hardly any memory for lines, but the memory is not given back between lines in quick
    /// succession.
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

    /// Has the loop report room in the pipe, if it is full, and the loss of the last reader, always.
    private func watch() {
        do throws(UVError) {
            try poll.start(isFull ? [.writable, .prioritized] : .prioritized) { [unowned self] _, events, error in
                // The loop reports an error of the pipe as either of the two.
                if error != nil || events.contains(.prioritized) { return broken() }
                if events.contains(.writable) { becomeWritable() }
            }
        } catch {
            // The watch failed: the user or the system has none left. A timer takes its place.
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

    /// The loop reports an error, as it does when the last reader has gone.
    private func broken() {
        // A real loss of the reader shows in the descriptor too; if it does not, the watch goes on.
        guard let number = pipe?.number, Descriptors.isBroken(number) else { return watch() }
        close(.brokenPipe)
    }

    // MARK: The end

    /// Takes nothing more, and closes the pipe when everything taken is written: at once, if nothing waits.
    func end() {
        guard case .open = state else { return }
        state = .ending
        guard !queue.isEmpty else { return close(nil) }
        flush()
        // Clients that wait for room never get any: they are to learn of that.
        onProgress?()
    }

    /// Takes nothing more, and loses waiting bytes except the rest of a line half written. The pipe closes after that.
    func cut() {
        if case .closed = state { return }
        state = .ending
        guard let rest = partLength else { return close(nil) }
        queue.cut(after: rest)
        onProgress?()
    }

    /// The number of bytes that are missing from a line half written; nil if there is none.
    private var partLength: Int? {
        switch runs.doorOfPart(written: written) {
        case .raw: endsInNewline ? nil : queue.lineLength
        case .channel: endOfPart().map { Int($0 - written) }
        case nil: nil
        }
    }

    /// Writes nothing more, and loses waiting bytes. The pipe stays open, so that ``close(childHasEnded:)`` can count
    /// what the child never read.
    func abandon() { lose(nil) }

    /// Closes the pipe; bytes that wait for it are lost.
    ///
    /// - Parameter childHasEnded: true if the bytes in the pipe have no reader any more.
    func close(childHasEnded: Bool = false) { close(nil, childHasEnded: childHasEnded) }

    private func close(_ error: UVError?, childHasEnded: Bool = false) {
        lose(error)
        guard let number = pipe?.number else { return }
        // A child that still lives may read the rest, and after the close its number cannot be read: so it stays
        // unknown.
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
