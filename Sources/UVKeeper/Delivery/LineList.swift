internal import KeeperProtocol

/// Lines in order; taking the first costs nothing.
struct LineList {
    private var lines: [WaitingLine] = []
    private var start = 0

    var isEmpty: Bool { start == lines.count }

    var count: Int { lines.count - start }

    var first: WaitingLine? { isEmpty ? nil : lines[start] }

    var all: ArraySlice<WaitingLine> { lines[start...] }

    mutating func append(_ line: WaitingLine) { lines.append(line) }

    /// True if there is a line without an outcome.
    var hasUntold: Bool { lines[start...].contains { !$0.isTold } }

    /// Puts lines that were taken back to the front, but for those that have an outcome.
    mutating func putBack(_ taken: [WaitingLine]) {
        lines.replaceSubrange(..<start, with: taken.filter { !$0.isTold })
        start = 0
    }

    mutating func removeFirst() {
        start += 1
        compact()
    }

    /// Gives back the room of those that were taken, when they are half of all: each one alone would move the others.
    private mutating func compact() {
        guard start * 2 >= lines.count else { return }
        lines.removeFirst(start)
        start = 0
    }

    mutating func takeAll() -> [WaitingLine] {
        defer {
            lines = []
            start = 0
        }
        return Array(lines[start...])
    }

    /// Takes so many from the front.
    mutating func takeFirst(_ count: Int) -> [WaitingLine] {
        let taken = Array(lines[start..<start + count])
        start += count
        compact()
        return taken
    }

    /// Takes the lines from the front up to a number.
    mutating func take(upTo sequence: UInt64) -> [WaitingLine] {
        var end = start
        while end < lines.count, lines[end].sequence <= sequence { end += 1 }
        return takeFirst(end - start)
    }

    mutating func remove(_ id: UInt64) -> WaitingLine? {
        guard let index = lines[start...].firstIndex(where: { $0.id == id }) else { return nil }
        return lines.remove(at: index)
    }

    /// Counts a failed attempt against every line that has attempts, and takes those that have none left.
    mutating func failAttempt() -> [WaitingLine] {
        for index in lines.indices.dropFirst(start) { lines[index].failedAttempts += 1 }
        return take { $0.deadline == .attempts && $0.failedAttempts >= KeeperConstants.writeAttempts }
    }

    /// Counts a failed attempt against every line that was sent and has attempts, and marks those that have none left.
    mutating func failSentAttempt() -> [WaitingLine] {
        for index in lines.indices.dropFirst(start) { lines[index].failedAttempts += 1 }
        return mark { $0.deadline == .attempts && $0.failedAttempts >= KeeperConstants.writeAttempts }
    }

    mutating func startWaitingOfFirst() {
        guard !isEmpty else { return }
        lines[start].startWaiting()
    }

    /// When the time of the first one is over; nil: none's ever is.
    var earliest: Duration? { lines[start...].lazy.filter { !$0.isTold }.compactMap(\.expiresAt).min() }

    /// Takes those whose time is over.
    mutating func takeExpired(_ now: Duration) -> [WaitingLine] { take { $0.isLate(now) } }

    /// Marks those whose time is over, which stay.
    mutating func expire(_ now: Duration) -> [WaitingLine] { mark { $0.isLate(now) } }

    /// - Returns: those that are marked now, and were not before.
    private mutating func mark(where isMeant: (WaitingLine) -> Bool) -> [WaitingLine] {
        var marked: [WaitingLine] = []
        for index in lines.indices.dropFirst(start) where !lines[index].isTold && isMeant(lines[index]) {
            marked.append(lines[index])
            lines[index].tell()
        }
        return marked
    }

    /// Takes those that are meant.
    mutating func take(where isTaken: (WaitingLine) -> Bool) -> [WaitingLine] {
        guard lines[start...].contains(where: isTaken) else { return [] }
        let all = lines[start...]
        let taken = all.filter(isTaken)
        lines = all.filter { !isTaken($0) }
        start = 0
        return taken
    }
}
