internal import KeeperProtocol

/// A sender of lines on the channel, by whichever connections.
final class Writer {
    /// Nil for a connection that has not named its writer.
    let name: WriterName?
    /// The highest sequence number taken.
    private(set) var last: UInt64 = 0
    /// The highest sequence number that is in the child's pipe.
    private(set) var acknowledged: UInt64 = 0
    /// The writer's present connection, which removes itself when it ends. The reference is strong: a weak one would
    /// make every later retain of the client many times as slow, and each line takes several.
    var client: ChannelClient?
    /// The end offsets of lines taken that are not in the pipe yet, in the order of their numbers, which follow
    /// `acknowledged`.
    private var ends: [UInt64] = []
    private var firstEnd = 0
    /// The end of the last line that is in the pipe.
    private(set) var writtenEnd: UInt64 = 0
    /// The end of the first line that is not.
    var nextEnd: UInt64? { isWaiting ? ends[firstEnd] : nil }
    /// The time of its last use, on a clock that counts uses.
    var usedAt: UInt64 = 0

    init(_ name: WriterName?) { self.name = name }

    var hasUnacknowledged: Bool { last > acknowledged }

    /// True while lines of this writer are on their way to the pipe; lost lines do not count.
    var isWaiting: Bool { firstEnd < ends.count }

    /// Notes that a line was taken, and the offset of its end in everything taken.
    func took(end: UInt64) {
        last += 1
        ends.append(end)
    }

    /// Notes how far the pipe has come.
    ///
    /// - Returns: true if more of this writer's lines are in the pipe than before.
    func written(upTo offset: UInt64) -> Bool {
        let before = acknowledged
        if let end = ends.last, end <= offset {
            writtenEnd = end
            acknowledged = last
            // A large array is needed only for a slow child, so its storage is not kept.
            ends.removeAll(keepingCapacity: ends.capacity <= 4096)
            firstEnd = 0
        } else {
            while firstEnd < ends.count, ends[firstEnd] <= offset {
                writtenEnd = ends[firstEnd]
                firstEnd += 1
                acknowledged += 1
            }
            if firstEnd > 4096 {
                ends.removeFirst(firstEnd)
                firstEnd = 0
            }
        }
        return acknowledged > before
    }

    /// Forgets the lines that will never reach the pipe.
    func loseRest() {
        ends = []
        firstEnd = 0
    }

    var state: WriterState {
        WriterState(name: name?.rawValue ?? "", last: last, acknowledged: acknowledged, connected: client != nil)
    }
}

/// The writers that the keeper remembers.
final class Writers {
    private var named: [WriterName: Writer] = [:]
    /// True once a name was forgotten; an unknown name may then have been used before.
    private(set) var hasForgotten = false
    private var clock: UInt64 = 0
    /// Writers with lines that are not in the pipe, nameless ones included.
    private(set) var behind: [ObjectIdentifier: Writer] = [:]
    /// The end of the last line that is in the pipe, of any writer.
    private var writtenEnd: UInt64 = 0

    var count: Int { named.count }

    subscript(name: WriterName) -> Writer? { named[name] }

    /// The writer of a name, made if it is new, and remembered; nil if too many writers have lines that are not in the
    /// pipe.
    func make(_ name: WriterName) -> Writer? {
        if let writer = named[name] { return writer }
        if named.count >= ChannelConstants.rememberedWriters {
            let idle = named.values.filter { $0.client == nil && !$0.hasUnacknowledged }
            let passing = idle.filter { $0.name?.isPassing == true }
            guard let oldest = (passing.isEmpty ? idle : passing).min(by: { $0.usedAt < $1.usedAt })?.name else {
                return nil
            }
            named[oldest] = nil
            hasForgotten = true
        }
        let writer = Writer(name)
        named[name] = writer
        return writer
    }

    func noteUse(_ writer: Writer) {
        clock += 1
        writer.usedAt = clock
    }

    /// Notes that lines of a writer were taken.
    func noteTaken(_ writer: Writer) {
        noteUse(writer)
        behind[ObjectIdentifier(writer)] = writer
    }

    /// Calls `body` with each writer that has more lines in the pipe than before.
    func written(upTo offset: UInt64, _ body: (Writer) -> Void) {
        for writer in Array(behind.values) {
            let hasMore = writer.written(upTo: offset)
            writtenEnd = max(writtenEnd, writer.writtenEnd)
            if !writer.hasUnacknowledged { behind[ObjectIdentifier(writer)] = nil }
            if hasMore { body(writer) }
        }
    }

    /// The end of the line of which the pipe has a part, when everything before an offset is in the pipe, and all
    /// writers know; nil if no line of a writer is half written.
    func endOfPart(at offset: UInt64) -> UInt64? {
        writtenEnd < offset ? behind.values.compactMap(\.nextEnd).min() : nil
    }

    /// Forgets all lines that will never reach the pipe.
    ///
    /// - Returns: the writers that have lost lines.
    func loseRest() -> [Writer] {
        let losers = Array(behind.values)
        for writer in losers { writer.loseRest() }
        behind = [:]
        return losers
    }

    /// The states of at most 64 writers: first those connected, or those with unacknowledged lines; then by last use.
    func states(unacknowledgedFirst: Bool) -> [WriterState] {
        let sorted = named.values.sorted { one, other in
            let first = unacknowledgedFirst ? one.hasUnacknowledged : one.client != nil
            let second = unacknowledgedFirst ? other.hasUnacknowledged : other.client != nil
            return first == second ? one.usedAt > other.usedAt : first
        }
        return sorted.prefix(64).map { writer in
            var state = writer.state
            if unacknowledgedFirst { state.connected = nil }
            return state
        }
    }
}
