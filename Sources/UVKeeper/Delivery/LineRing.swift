internal import KeeperProtocol
internal import UVLoop

/// Lines in order: first the sent ones, then the unsent ones.
///
/// The ring has memory of its own: a line is moved in and out, without a copy and without counting references.
final class LineRing {
    enum Part {
        /// Lines that were sent and have no outcome, or that the keeper may still take.
        case sent
        /// Lines of which no byte was sent.
        case unsent
    }

    /// The number of slots, a power of two.
    private var capacity = 16
    private var slots: UnsafeMutablePointer<WaitingLine>
    /// The index of the first line's slot.
    private var start = 0
    private(set) var count = 0
    private(set) var sentCount = 0
    /// The id of the last line that was there when the first unsent line's turn began.
    private var lastOfTurn: UInt64 = 0

    /// The most slots that an empty ring keeps.
    private static let keptCapacity = 1024

    init() { slots = .allocate(capacity: 16) }

    deinit {
        for index in 0..<count { place(index).deinitialize(count: 1) }
        slots.deallocate()
    }

    private func place(_ index: Int) -> UnsafeMutablePointer<WaitingLine> {
        slots + ((start + index) & (capacity - 1))
    }

    private func range(_ part: Part) -> Range<Int> { part == .sent ? 0..<sentCount : sentCount..<count }

    // MARK: Looking

    func isEmpty(_ part: Part) -> Bool { range(part).isEmpty }

    /// The deadline of the first line.
    var firstDeadline: WriteDeadline? { count > 0 ? place(0).pointee.deadline : nil }

    var failedAttemptsOfFirst: Int? { count > 0 ? place(0).pointee.failedAttempts : nil }

    /// True if a line was sent and has no outcome yet.
    var hasUntold: Bool { range(.sent).contains { !place($0).pointee.isTold } }

    /// The earliest time at which a line of the part expires; nil if none ever does.
    func earliest(_ part: Part) -> Duration? {
        var earliest: Duration?
        for index in range(part) where !place(index).pointee.isTold {
            guard let time = place(index).pointee.expiresAt else { continue }
            earliest = min(earliest ?? time, time)
        }
        return earliest
    }

    /// Calls `body` with each unsent line, until it returns false.
    func forEachUnsent(_ body: (borrowing WaitingLine) -> Bool) {
        for index in range(.unsent) where !body(place(index).pointee) { return }
    }

    // MARK: Adding

    /// Adds a line.
    ///
    /// - Returns: true if the line is the first unsent one.
    func append(_ line: consuming WaitingLine) -> Bool {
        makeRoom()
        place(count).initialize(to: line)
        count += 1
        return count - sentCount == 1
    }

    /// Puts lines that were sent and taken back to the front of the unsent ones, except for those that have an outcome.
    func putBack(_ taken: [WaitingLine]) {
        require(sentCount == 0, "LineRing.putBack: lines have left")
        for line in taken.reversed() where !line.isTold {
            makeRoom()
            start = (start - 1) & (capacity - 1)
            count += 1
            place(0).initialize(to: line)
        }
    }

    private func makeRoom() {
        guard count == capacity else { return }
        let grown = UnsafeMutablePointer<WaitingLine>.allocate(capacity: 2 * capacity)
        for index in 0..<count { (grown + index).moveInitialize(from: place(index), count: 1) }
        slots.deallocate()
        (slots, capacity, start) = (grown, 2 * capacity, 0)
    }

    // MARK: Sending

    /// Sends the next lines: numbers them, from the one after `last` on, and puts their messages together. The ring
    /// sends as many lines as fit into `size` bytes, at least one, and none longer than `maximum`.
    ///
    /// - Parameter end: the time at which lines with attempts expire.
    /// - Returns: the messages, and true if there are lines with attempts among them.
    func send(
        _ size: Int, after last: inout UInt64, longest maximum: Int, until end: Duration,
    ) -> (messages: [UInt8], haveAttempts: Bool) {
        guard sentCount < count, place(sentCount).pointee.byteCount <= maximum else { return ([], false) }
        // The buffer is as small as the lines allow: mostly there is just one.
        var (room, next) = (0, sentCount)
        while next < count, room < size {
            room += WaitingLine.longestMessage(place(next).pointee.byteCount)
            next += 1
        }
        let capacity = max(min(room, size), WaitingLine.longestMessage(place(sentCount).pointee.byteCount))
        var haveAttempts = false
        let messages = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, written in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            while sentCount < count {
                let line = place(sentCount)
                guard line.pointee.byteCount <= maximum,
                    written + WaitingLine.longestMessage(line.pointee.byteCount) <= capacity
                else {
                    return
                }
                last += 1
                if line.pointee.leave(as: last, in: bytes, at: &written, until: end) { haveAttempts = true }
                sentCount += 1
            }
        }
        return (messages, haveAttempts)
    }

    /// The messages of the sent lines with numbers above `last`.
    func messages(above last: UInt64) -> [UInt8] {
        var byteCount = 0
        for index in range(.sent) where place(index).pointee.sequence > last {
            byteCount += WaitingLine.longestMessage(place(index).pointee.byteCount)
        }
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, written in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            for index in range(.sent) where place(index).pointee.sequence > last {
                place(index).pointee.put(in: bytes, at: &written)
            }
        }
    }

    /// Marks the next lines as sent, without numbers.
    func send(count: Int) { sentCount += count }

    /// Starts the time of the first unsent line's attempts, unless it has started.
    ///
    /// - Returns: the time at which it ends.
    func startWaitingOfFirst() -> Duration? {
        guard sentCount < count else { return nil }
        if place(sentCount).pointee.startWaiting() { lastOfTurn = place(count - 1).pointee.id }
        return place(sentCount).pointee.expiresAt
    }

    // MARK: Taking

    func takeAll(_ part: Part) -> [WaitingLine] { take(part) { _ in true } }

    /// Takes the sent lines up to a number, in memory that the caller frees.
    func take(upTo sequence: UInt64) -> UnsafeMutableBufferPointer<WaitingLine> {
        var end = 0
        while end < sentCount, place(end).pointee.sequence <= sequence { end += 1 }
        let lines = UnsafeMutableBufferPointer<WaitingLine>.allocate(capacity: end)
        for index in 0..<end { lines.initializeElement(at: index, to: place(index).move()) }
        start = (start + end) & (capacity - 1)
        count -= end
        sentCount -= end
        giveBackMemory()
        return lines
    }

    /// Takes the first unsent line, if it is longer than so many bytes.
    func takeFirst(longerThan maximum: Int) -> [WaitingLine] {
        guard sentCount < count, place(sentCount).pointee.byteCount > maximum else { return [] }
        let id = place(sentCount).pointee.id
        return take(.unsent) { $0.id == id }
    }

    /// Takes the lines of a part that match.
    func take(_ part: Part, where isTaken: (borrowing WaitingLine) -> Bool) -> [WaitingLine] {
        let range = range(part)
        var taken: [WaitingLine] = []
        var end = range.lowerBound
        for index in range.lowerBound..<count {
            if index < range.upperBound, isTaken(place(index).pointee) {
                taken.append(place(index).move())
            } else {
                if end < index { place(end).moveInitialize(from: place(index), count: 1) }
                end += 1
            }
        }
        if part == .sent { sentCount -= taken.count }
        count = end
        giveBackMemory()
        return taken
    }

    private func giveBackMemory() {
        guard count == 0, capacity > LineRing.keptCapacity else { return }
        slots.deallocate()
        (slots, capacity, start) = (.allocate(capacity: 16), 16, 0)
    }

    // MARK: Attempts and deadlines

    /// Counts a failed attempt against every line, and takes the unsent lines that have no attempts left. Sent lines
    /// without attempts left are marked, and stay.
    func failAttempt() -> (unsent: [WaitingLine], sent: [WaitingLine]) {
        for index in 0..<count { place(index).pointee.failedAttempts += 1 }
        let isOver = { (line: borrowing WaitingLine) in
            line.deadline == .attempts && line.failedAttempts >= KeeperConstants.writeAttempts
        }
        return (take(.unsent, where: isOver), mark(where: isOver))
    }

    /// Takes the unsent lines whose time is over: with a first line that has attempts all others with attempts that have
    /// waited behind it all the time. Sent lines whose time is over are marked, and stay.
    func expire(_ now: Duration) -> (unsent: [WaitingLine], sent: [WaitingLine]) {
        var lastLate: UInt64 = 0
        if sentCount < count, place(sentCount).pointee.deadline == .attempts, place(sentCount).pointee.isLate(now) {
            lastLate = lastOfTurn
        }
        let unsent = take(.unsent) { $0.isLate(now) || $0.deadline == .attempts && $0.id <= lastLate }
        return (unsent, mark { $0.isLate(now) })
    }

    /// Marks lines that were sent.
    ///
    /// - Returns: the lines marked now, and not before.
    private func mark(where isMeant: (borrowing WaitingLine) -> Bool) -> [WaitingLine] {
        var marked: [WaitingLine] = []
        for index in range(.sent) where !place(index).pointee.isTold && isMeant(place(index).pointee) {
            marked.append(place(index).pointee)
            place(index).pointee.tell()
        }
        return marked
    }
}
