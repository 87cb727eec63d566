internal import KeeperProtocol
internal import UVLoop

/// Lines in order: first those that have left, then those of which nothing has left.
///
/// A ring in memory of its own: a line is moved in and out, and is neither copied nor counted meanwhile.
final class LineRing {
    enum Part {
        /// Lines that have left and have no outcome, or may yet be taken by the keeper.
        case sent
        /// Lines of which nothing has left.
        case unsent
    }

    /// A power of two.
    private var capacity = 16
    private var slots: UnsafeMutablePointer<WaitingLine>
    /// The slot of the first line.
    private var start = 0
    private(set) var count = 0
    private(set) var sentCount = 0

    /// The capacity that an empty ring keeps.
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

    /// True if there is a line that has left and has no outcome.
    var hasUntold: Bool { range(.sent).contains { !place($0).pointee.isTold } }

    /// When the time of the first one is over whose time ends; nil: none's ever is.
    func earliest(_ part: Part) -> Duration? {
        var earliest: Duration?
        for index in range(part) where !place(index).pointee.isTold {
            guard let time = place(index).pointee.expiresAt else { continue }
            earliest = min(earliest ?? time, time)
        }
        return earliest
    }

    /// Calls `body` with each line of which nothing has left, until it says false.
    func forEachUnsent(_ body: (borrowing WaitingLine) -> Bool) {
        for index in range(.unsent) where !body(place(index).pointee) { return }
    }

    // MARK: Adding

    /// - Returns: whether it is the first of those of which nothing has left.
    func append(_ line: consuming WaitingLine) -> Bool {
        makeRoom()
        place(count).initialize(to: line)
        count += 1
        return count - sentCount == 1
    }

    /// Puts lines that had left and were taken back to the front of those of which nothing has left, but for those that have an
    /// outcome.
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

    /// Numbers the next lines, from the one after `last` on, which have left then, and puts their messages together: as many as fit
    /// `size` bytes, at least one, and none that is longer than `maximum`.
    ///
    /// - Parameter end: when the time of those that have attempts is over.
    /// - Returns: the messages, and whether there are lines with attempts among them.
    func send(
        _ size: Int, after last: inout UInt64, longest maximum: Int, until end: Duration,
    ) -> (messages: [UInt8], haveAttempts: Bool) {
        guard sentCount < count, place(sentCount).pointee.byteCount <= maximum else { return ([], false) }
        // No more memory than they take: mostly there is one line.
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

    /// The messages of the lines that have left with numbers above one.
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

    /// Says that the next lines have left, without numbers.
    func send(count: Int) { sentCount += count }

    /// The time of the first line's attempts begins, unless it has.
    ///
    /// - Returns: when it ends.
    func startWaitingOfFirst() -> Duration? {
        guard sentCount < count else { return nil }
        place(sentCount).pointee.startWaiting()
        return place(sentCount).pointee.expiresAt
    }

    // MARK: Taking

    func takeAll(_ part: Part) -> [WaitingLine] { take(part) { _ in true } }

    /// Takes the lines that have left, up to a number, in memory that is the caller's.
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

    /// Takes the first of those of which nothing has left, if it is longer than so many bytes.
    func takeFirst(longerThan maximum: Int) -> [WaitingLine] {
        guard sentCount < count, place(sentCount).pointee.byteCount > maximum else { return [] }
        let id = place(sentCount).pointee.id
        return take(.unsent) { $0.id == id }
    }

    /// Takes those that are meant.
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

    /// Counts a failed attempt against every line, and takes those of which nothing has left and that have no attempts left. Those
    /// that have left are marked, and stay.
    func failAttempt() -> (unsent: [WaitingLine], sent: [WaitingLine]) {
        for index in 0..<count { place(index).pointee.failedAttempts += 1 }
        let isOver = { (line: borrowing WaitingLine) in
            line.deadline == .attempts && line.failedAttempts >= KeeperConstants.writeAttempts
        }
        return (take(.unsent, where: isOver), mark(where: isOver))
    }

    /// Takes those of which nothing has left and whose time is over. Those that have left are marked, and stay.
    func expire(_ now: Duration) -> (unsent: [WaitingLine], sent: [WaitingLine]) {
        let isLate = { (line: borrowing WaitingLine) in line.isLate(now) }
        return (take(.unsent, where: isLate), mark(where: isLate))
    }

    /// - Returns: those that are marked now, and were not before.
    private func mark(where isMeant: (borrowing WaitingLine) -> Bool) -> [WaitingLine] {
        var marked: [WaitingLine] = []
        for index in range(.sent) where !place(index).pointee.isTold && isMeant(place(index).pointee) {
            marked.append(place(index).pointee)
            place(index).pointee.tell()
        }
        return marked
    }
}
