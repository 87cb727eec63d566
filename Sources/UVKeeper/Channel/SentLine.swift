internal import KeeperProtocol
internal import UVLoop

/// A line that waits for its keeper, or for the child's pipe.
struct SentLine {
    let id: UInt64
    let bytes: [UInt8]
    let deadline: WriteDeadline
    let completion: (WriteOutcome) -> Void
    /// Its number; 0 as long as nothing of it has left.
    var sequence: UInt64 = 0
    /// On the monotonic clock; nil: no end, or its turn has not come.
    private(set) var expiresAt: Duration?
    var failedAttempts = 0
    /// True once its outcome was told, though the keeper may still take it: later numbers need it.
    private(set) var isTold = false

    init(
        id: UInt64, bytes: [UInt8], deadline: WriteDeadline, completion: @escaping (WriteOutcome) -> Void,
    ) {
        self.id = id
        self.bytes = bytes
        self.deadline = deadline
        self.completion = completion
        if case .within(let time) = deadline { expiresAt = SystemClock.deadline(in: time) }
    }

    /// Its turn has come: the time of its attempts begins.
    mutating func startWaiting() {
        guard deadline == .attempts, expiresAt == nil || sequence > 0 else { return }
        expiresAt = SystemClock.deadline(in: KeeperConstants.writeTime)
    }

    mutating func tell() { isTold = true }

    /// How long it waits, if not until the session ends.
    var time: Duration { if case .within(let time) = deadline { time } else { KeeperConstants.writeTime } }

    /// With its newline.
    var byteCount: Int { bytes.count + (bytes.last == UInt8(ascii: "\n") ? 0 : 1) }

    func isLate(_ now: Duration) -> Bool { expiresAt.map { now >= $0 } ?? false }

    /// Adds the message that carries it. A payload may go without its newline, and is then followed by one.
    func append(to message: inout [UInt8]) {
        message += ChannelRequest.write(sequence: sequence, length: bytes.count).header
        message += bytes
        if bytes.last != UInt8(ascii: "\n") { message.append(UInt8(ascii: "\n")) }
    }
}

/// Lines in order; taking the first costs nothing.
struct LineList {
    private var lines: [SentLine] = []
    private var start = 0

    var isEmpty: Bool { start == lines.count }

    var count: Int { lines.count - start }

    var first: SentLine? { isEmpty ? nil : lines[start] }

    var all: ArraySlice<SentLine> { lines[start...] }

    mutating func append(_ line: SentLine) { lines.append(line) }

    mutating func removeFirst() {
        start += 1
        compact()
    }

    /// Gives back the room of those that were taken; not for each one alone, which would move the others.
    private mutating func compact() {
        guard start == lines.count || start > 1024 else { return }
        lines.removeFirst(start)
        start = 0
    }

    mutating func takeAll() -> [SentLine] {
        defer {
            lines = []
            start = 0
        }
        return Array(lines[start...])
    }

    /// Takes the lines from the front up to a number.
    mutating func take(upTo sequence: UInt64) -> [SentLine] {
        var end = start
        while end < lines.count, lines[end].sequence <= sequence { end += 1 }
        let taken = Array(lines[start..<end])
        start = end
        compact()
        return taken
    }

    mutating func remove(_ id: UInt64) -> SentLine? {
        guard let index = lines[start...].firstIndex(where: { $0.id == id }) else { return nil }
        return lines.remove(at: index)
    }

    /// Counts a failed attempt against every line that has attempts, and takes those that have none left.
    mutating func failAttempt() -> [SentLine] {
        for index in lines.indices.dropFirst(start) { lines[index].failedAttempts += 1 }
        return take { $0.deadline == .attempts && $0.failedAttempts >= KeeperConstants.writeAttempts }
    }

    /// Counts a failed attempt against every line that was sent and has attempts, and marks those that have none left.
    mutating func failSentAttempt() -> [SentLine] {
        for index in lines.indices.dropFirst(start) { lines[index].failedAttempts += 1 }
        return mark { $0.deadline == .attempts && $0.failedAttempts >= KeeperConstants.writeAttempts }
    }

    mutating func startWaitingOfFirst() {
        guard !isEmpty else { return }
        lines[start].startWaiting()
    }

    /// Takes those whose time is over.
    mutating func takeExpired(_ now: Duration) -> [SentLine] { take { $0.isLate(now) } }

    /// Marks those whose time is over, which stay.
    mutating func expire(_ now: Duration) -> [SentLine] { mark { $0.isLate(now) } }

    /// - Returns: those that are marked now, and were not before.
    private mutating func mark(where isMeant: (SentLine) -> Bool) -> [SentLine] {
        var marked: [SentLine] = []
        for index in lines.indices.dropFirst(start) where !lines[index].isTold && isMeant(lines[index]) {
            marked.append(lines[index])
            lines[index].tell()
        }
        return marked
    }

    /// Takes those that are meant.
    mutating func take(where isTaken: (SentLine) -> Bool) -> [SentLine] {
        guard lines[start...].contains(where: isTaken) else { return [] }
        let all = lines[start...]
        let taken = all.filter(isTaken)
        lines = all.filter { !isTaken($0) }
        start = 0
        return taken
    }
}
