import UVKeeper

/// A fault: its kind, target and time, and the lines it excused.
final class FaultRecord {
    enum Kind: String, CaseIterable, Sendable {
        case keeperKilled = "keeper-killed"
        case keeperToldToEnd = "keeper-told-to-end"
        case keeperStopped = "keeper-stopped"
        case childKilled = "child-killed"
        case childStopped = "child-stopped"
        case slowReader = "slow-reader"
        case socketRemoved = "socket-removed"
        case socketReplaced = "socket-replaced"
        case pidFileGarbled = "pid-file-garbled"
        case staleFiles = "stale-files"
        case backlogOverflow = "backlog-overflow"
        case descriptorsExhausted = "descriptors-exhausted"
        case keeperExhausted = "keeper-exhausted"
        case clientDisconnected = "client-disconnected"
        /// Not a fault: clients whose last line has no newline, and must arrive.
        case unfinishedLine = "unfinished-line"
        case readerPaused = "reader-paused"
        /// A client on a connection of its own stops reading.
        case readerFrozen = "reader-frozen"
        /// A client's own connection is cut at any byte.
        case readerCut = "reader-cut"
        /// The keeper can extend no file.
        case diskFull = "disk-full"
        case childFloods = "child-floods"
        case serverKilled = "server-killed"
        case spawnWave = "spawn-wave"
        /// Keepers start while another process removes the files of the ones before them.
        case discoveryRace = "discovery-race"
        /// A client of the channel is cut at any byte, and comes back.
        case channelCut = "channel-cut"
        /// A newer connection takes over from one that writes under the same name.
        case writerReplaced = "writer-replaced"
        /// A keeper is stopped in the steps of its session's end.
        case keeperStoppedInEOF = "keeper-stopped-in-eof"
        case keeperStoppedInTerm = "keeper-stopped-in-term"
        case keeperStoppedInKill = "keeper-stopped-in-kill"
        /// Not injected: the machine kept a process of the run waiting.
        case machineStalled = "machine-stalled"
    }

    /// The numbers of lines, by outcome, and of starts that a fault explains.
    struct Excused: Codable, Equatable, CustomStringConvertible {
        var refused = 0
        var unknown = 0
        /// Lines written, and lost with a child that was killed, by a fault or by its keeper.
        var lost = 0
        /// Lines under way in a killed server.
        var pending = 0
        /// Starts that failed.
        var starts = 0
        /// Bytes of output that are gone.
        var output = 0

        var total: Int { refused + unknown + lost + pending + starts + output }

        mutating func add(_ other: Excused) {
            refused += other.refused
            unknown += other.unknown
            lost += other.lost
            pending += other.pending
            starts += other.starts
            output += other.output
        }

        var description: String {
            [
                (refused, "refused"), (unknown, "unknown"), (lost, "lost"), (pending, "under way"),
                (starts, "failed starts"), (output, "bytes of output gone"),
            ]
            .filter { $0.0 > 0 }.map { "\(Texts.count($0.0)) \($0.1)" }.joined(separator: ", ")
        }
    }

    /// The servers whose lines a fault may explain: an event within one server is no excuse for another.
    enum Scope: Sendable {
        case everybody
        /// Lines of the harness itself.
        case own
        /// Lines of the server in another process.
        case driven
    }

    let kind: Kind
    let scope: Scope
    /// The session's index; nil for a fault of all sessions.
    let session: Int?
    /// The number of the life that the fault ended.
    let life: Int?
    /// For a fault that costs output: the life in which it began, and the bytes of each stream that the child had
    /// written by then; `outputAfter` is the most it had written at the end.
    var output: (life: Int, before: [ChildStream: UInt64])?
    var outputAfter: [ChildStream: UInt64]?
    /// The time to work off the backlog after the fault, in microseconds.
    let aftermath: UInt64
    /// The start, in microseconds since the start of the run.
    let start: UInt64
    /// The end, in microseconds; nil while the fault lasts.
    var end: UInt64?
    /// True if the server that was killed had a successor, which has sent lines of its own.
    var isFollowed = false
    /// For a client that disconnected: the life that got every byte of its fragment.
    var completeIn: Int?
    /// The course of the fault, in words.
    var note: String
    var excused = Excused()
    /// True if the fault could not be injected, so that it explains nothing.
    private(set) var hasFailed = false

    init(
        _ kind: Kind, _ scope: Scope? = nil, session: Int?, life: Int? = nil, start: UInt64, end: UInt64? = nil,
        aftermath: UInt64? = nil, note: String = "",
    ) {
        self.kind = kind
        self.scope = scope ?? kind.scope
        self.session = session
        self.life = life
        self.aftermath = aftermath ?? kind.aftermath
        self.start = start
        self.end = end
        self.note = note
    }

    /// Notes the error that kept the fault from being injected.
    func fail(_ error: some Error) {
        hasFailed = true
        note += "; not injected: \(error)"
    }
}
