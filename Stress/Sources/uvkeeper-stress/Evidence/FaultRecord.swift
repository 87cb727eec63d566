/// One fault: what was done to whom, from when to when, and which lines it excused.
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
        /// No fault of anybody: clients whose last line has no newline, and must arrive.
        case unfinishedLine = "unfinished-line"
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

    /// The things it explains: lines, by what became of them, and starts of keepers.
    struct Excused: Codable, Equatable, CustomStringConvertible {
        var refused = 0
        var unknown = 0
        /// Written, and lost with a child that was killed, by a fault or by its keeper.
        var lost = 0
        /// Under way in a killed server.
        var pending = 0
        /// Starts that failed.
        var starts = 0

        var total: Int { refused + unknown + lost + pending + starts }

        mutating func add(_ other: Excused) {
            refused += other.refused
            unknown += other.unknown
            lost += other.lost
            pending += other.pending
            starts += other.starts
        }

        var description: String {
            [
                (refused, "refused"), (unknown, "unknown"), (lost, "lost"), (pending, "under way"),
                (starts, "failed starts"),
            ]
            .filter { $0.0 > 0 }.map { "\(Texts.count($0.0)) \($0.1)" }.joined(separator: ", ")
        }
    }

    /// Whose lines it may explain: what happens within one server is no excuse for another.
    enum Scope: Sendable {
        case everybody
        /// Of the harness itself.
        case own
        /// Of the server in another process.
        case driven
    }

    let kind: Kind
    let scope: Scope
    /// Nil: everybody.
    let session: Int?
    /// Which life of the session was ended by it.
    let life: Int?
    /// In microseconds: how long what piled up during it may take to be worked off after it.
    let aftermath: UInt64
    /// In microseconds since the start of the run.
    let start: UInt64
    /// Nil while it lasts.
    var end: UInt64?
    /// True if the server that it killed had a successor, which has sent lines of its own.
    var isFollowed = false
    /// For a client that disconnected: the life of its session to which every byte of its fragment went.
    var completeIn: Int?
    /// What came of it.
    var note: String
    var excused = Excused()
    /// It could not be injected, so it explains nothing.
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

    /// Notes why it could not be injected.
    func fail(_ error: some Error) {
        hasFailed = true
        note += "; not injected: \(error)"
    }
}
