internal import KeeperProtocol

/// One sender of lines on the channel, through whatever connections.
final class Writer {
    /// Nil for a connection that has not said whose it is.
    let name: WriterName?
    /// The highest number that was taken.
    private(set) var last: UInt64 = 0
    /// The highest number that the child's pipe has.
    private(set) var acknowledged: UInt64 = 0
    /// Its present connection, which takes itself away when it ends. Not weak: a weak reference makes every further retain of
    /// the client many times as slow, and a line takes some.
    var client: ChannelClient?
    /// Lines that were taken and are not in the pipe: their ends, in the order of their numbers, which follow `acknowledged`.
    private var ends: [UInt64] = []
    private var firstEnd = 0
    /// When it was used last, on a clock of uses.
    var usedAt: UInt64 = 0

    init(_ name: WriterName?) { self.name = name }

    var hasUnacknowledged: Bool { last > acknowledged }

    /// True while lines of it are on their way to the pipe; those that were lost are not.
    var isWaiting: Bool { firstEnd < ends.count }

    /// Notes a line that was taken, and where it ends in all that was.
    func took(end: UInt64) {
        last += 1
        ends.append(end)
    }

    /// Notes how far the pipe has come.
    ///
    /// - Returns: true if more lines are in it than before.
    func written(upTo offset: UInt64) -> Bool {
        let before = acknowledged
        if let end = ends.last, end <= offset {
            acknowledged = last
            // Much waits only for a slow child.
            ends.removeAll(keepingCapacity: ends.capacity <= 4096)
            firstEnd = 0
        } else {
            while firstEnd < ends.count, ends[firstEnd] <= offset {
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

    /// Forgets the lines that will never be in the pipe.
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
    /// True once a name was forgotten: then an unknown name may have been used before.
    private(set) var hasForgotten = false
    private var clock: UInt64 = 0
    /// Those with lines that are not in the pipe, nameless ones too.
    private(set) var behind: [ObjectIdentifier: Writer] = [:]

    var count: Int { named.count }

    subscript(name: WriterName) -> Writer? { named[name] }

    /// The writer of a name, which is remembered from now on; nil if there are too many whose lines are not in the pipe.
    func make(_ name: WriterName) -> Writer? {
        if let writer = named[name] { return writer }
        if named.count >= ChannelConstants.rememberedWriters {
            let idle = named.values.filter { $0.client == nil && !$0.hasUnacknowledged }
            guard let oldest = idle.min(by: { $0.usedAt < $1.usedAt })?.name else { return nil }
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

    /// Calls `body` with each writer of which the pipe has more than before.
    func written(upTo offset: UInt64, _ body: (Writer) -> Void) {
        for writer in Array(behind.values) {
            let hasMore = writer.written(upTo: offset)
            if !writer.hasUnacknowledged { behind[ObjectIdentifier(writer)] = nil }
            if hasMore { body(writer) }
        }
    }

    /// Forgets what will never be in the pipe.
    ///
    /// - Returns: the writers that have lost lines.
    func loseRest() -> [Writer] {
        let losers = Array(behind.values)
        for writer in losers { writer.loseRest() }
        behind = [:]
        return losers
    }

    /// The states of the writers: those that are connected first, or those that have lines not acknowledged, then those that were used last.
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
