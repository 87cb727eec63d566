internal import KeeperProtocol

/// Lines in order. Taking the first moves none of the others.
struct LineList {
    /// Nil before `start`: those were taken.
    private var slots: [WaitingLine?] = []
    private var start = 0

    private static let keptCapacity = 1024

    var isEmpty: Bool { start == slots.count }

    var count: Int { slots.count - start }

    var first: WaitingLine? { isEmpty ? nil : slots[start] }

    var all: some Sequence<WaitingLine> { slots[start...].lazy.compactMap { $0 } }

    mutating func append(_ line: consuming WaitingLine) { slots.append(line) }

    /// True if there is a line without an outcome.
    var hasUntold: Bool { slots[start...].contains { $0?.isTold == false } }

    /// Puts lines that were taken back to the front, but for those that have an outcome.
    mutating func putBack(_ taken: [WaitingLine]) {
        slots.replaceSubrange(..<start, with: taken.lazy.filter { !$0.isTold }.map(Optional.init))
        start = 0
    }

    /// Gives back the room of those that were taken, when they are half of all: each one alone would move the others.
    private mutating func compact() {
        guard start * 2 >= slots.count else { return }
        if isEmpty {
            slots.removeAll(keepingCapacity: slots.capacity <= LineList.keptCapacity)
        } else {
            slots.removeFirst(start)
        }
        start = 0
    }

    mutating func takeAll() -> [WaitingLine] { takeFirst(count) }

    mutating func takeFirst() -> WaitingLine? {
        guard !isEmpty else { return nil }
        let line = slots[start].take()
        start += 1
        compact()
        return line
    }

    /// Takes so many from the front.
    mutating func takeFirst(_ count: Int) -> [WaitingLine] {
        var taken: [WaitingLine] = []
        taken.reserveCapacity(count)
        for index in start..<start + count {
            if let line = slots[index].take() { taken.append(line) }
        }
        start += count
        compact()
        return taken
    }

    /// Takes the lines from the front up to a number.
    mutating func take(upTo sequence: UInt64) -> [WaitingLine] {
        var end = start
        while end < slots.count, let number = slots[end]?.sequence, number <= sequence { end += 1 }
        return takeFirst(end - start)
    }

    mutating func remove(_ id: UInt64) -> WaitingLine? {
        guard let index = slots[start...].firstIndex(where: { $0?.id == id }) else { return nil }
        return slots.remove(at: index)
    }

    /// Counts a failed attempt against every line that has attempts, and takes those that have none left.
    mutating func failAttempt() -> [WaitingLine] {
        for index in start..<slots.count { slots[index]?.failedAttempts += 1 }
        return take { $0.deadline == .attempts && $0.failedAttempts >= KeeperConstants.writeAttempts }
    }

    /// Counts a failed attempt against every line that was sent and has attempts, and marks those that have none left.
    mutating func failSentAttempt() -> [WaitingLine] {
        for index in start..<slots.count { slots[index]?.failedAttempts += 1 }
        return mark { $0.deadline == .attempts && $0.failedAttempts >= KeeperConstants.writeAttempts }
    }

    mutating func startWaitingOfFirst() {
        guard !isEmpty else { return }
        slots[start]?.startWaiting(SystemClock.monotonicTime)
    }

    /// When the time of the first one is over; nil: none's ever is.
    var earliest: Duration? { slots[start...].lazy.compactMap { $0?.isTold == false ? $0?.expiresAt : nil }.min() }

    /// Takes those whose time is over.
    mutating func takeExpired(_ now: Duration) -> [WaitingLine] { take { $0.isLate(now) } }

    /// Marks those whose time is over, which stay.
    mutating func expire(_ now: Duration) -> [WaitingLine] { mark { $0.isLate(now) } }

    /// - Returns: those that are marked now, and were not before.
    private mutating func mark(where isMeant: (WaitingLine) -> Bool) -> [WaitingLine] {
        var marked: [WaitingLine] = []
        for index in start..<slots.count {
            guard let line = slots[index], !line.isTold, isMeant(line) else { continue }
            marked.append(line)
            slots[index]?.tell()
        }
        return marked
    }

    /// Takes those that are meant.
    mutating func take(where isTaken: (WaitingLine) -> Bool) -> [WaitingLine] {
        guard all.contains(where: isTaken) else { return [] }
        var (taken, rest): ([WaitingLine], [WaitingLine?]) = ([], [])
        for line in all {
            if isTaken(line) { taken.append(line) } else { rest.append(line) }
        }
        slots = rest
        start = 0
        return taken
    }
}
