/// One fault: what was done to whom, from when to when, and which lines it excused.
final class FaultRecord {
    enum Kind: String, CaseIterable, Sendable {
        case keeperKilled = "keeper-killed"
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
        case clientDisconnected = "client-disconnected"
        case serverKilled = "server-killed"
        case spawnWave = "spawn-wave"
        /// Not injected: the machine kept a loop or a keeper waiting.
        case machineStalled = "machine-stalled"
    }

    /// Lines that it explains, by what became of them.
    struct Excused: Codable, Equatable, CustomStringConvertible {
        var refused = 0
        var unknown = 0
        /// Written, and lost with a killed child.
        var lost = 0
        /// Under way in a killed server.
        var pending = 0

        var total: Int { refused + unknown + lost + pending }

        mutating func add(_ other: Excused) {
            refused += other.refused
            unknown += other.unknown
            lost += other.lost
            pending += other.pending
        }

        var description: String {
            [(refused, "refused"), (unknown, "unknown"), (lost, "lost"), (pending, "under way")]
                .filter { $0.0 > 0 }.map { "\(Texts.count($0.0)) \($0.1)" }.joined(separator: ", ")
        }
    }

    let kind: Kind
    /// Nil: everybody.
    let session: Int?
    /// Which life of the session was ended by it.
    let life: Int?
    /// In microseconds since the start of the run.
    let start: UInt64
    /// Nil while it lasts.
    var end: UInt64?
    /// What came of it.
    var note: String
    var excused = Excused()

    init(_ kind: Kind, session: Int?, life: Int? = nil, start: UInt64, end: UInt64? = nil, note: String = "") {
        self.kind = kind
        self.session = session
        self.life = life
        self.start = start
        self.end = end
        self.note = note
    }

    /// A loop that came late; both in microseconds.
    convenience init(stalledFor lag: UInt64, until end: UInt64, whose: String = "the loop") {
        self.init(
            .machineStalled, session: nil, start: end - min(end, lag), end: end,
            note: "\(whose) was kept waiting for \(lag / 1000) ms")
    }
}
