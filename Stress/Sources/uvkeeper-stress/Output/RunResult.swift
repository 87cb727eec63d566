import Histogram

/// The findings of a run, as written to JSON and into the report.
struct RunResult: Codable {
    struct Lines: Codable {
        var sent = 0
        var written = 0
        var refused = 0
        /// Lines refused because more were sent than the load's own limits let wait.
        var overflowed = 0
        /// Lines to the raw socket, which confirms no more.
        var handedOver = 0
        /// Unknown lines, including those under way in killed servers.
        var unknown = 0
        var bytes = 0
    }

    struct Fault: Codable {
        let kind: String
        let session: Int?
        /// Seconds since the start.
        let start: Double
        let end: Double?
        let note: String
        /// True if the fault could not be injected.
        let failed: Bool
        /// The lines that the fault explains.
        let excused: FaultRecord.Excused
    }

    /// A start of a keeper that failed.
    struct FailedStart: Codable {
        let session: Int
        /// Seconds since the start.
        let start: Double
        let end: Double
        let error: String
        /// The kind of the fault that explains it; nil if none does.
        let explainedBy: String?
    }

    /// Percentiles in milliseconds.
    struct Percentiles: Codable, CustomStringConvertible {
        var p50 = 0.0
        var p90 = 0.0
        var p99 = 0.0
        var p999 = 0.0
        var max = 0.0

        var description: String {
            "p50 \(Texts.time(p50)), p90 \(Texts.time(p90)), p99 \(Texts.time(p99)), p99.9 \(Texts.time(p999)), "
                + "max \(Texts.time(max))"
        }
    }

    let scenario: String
    let seed: UInt64
    /// The command that repeats the run.
    let replay: String
    var seconds = 0.0
    var sessions = 0
    var writers = 0
    var keeperStarts = 0
    var lines = Lines()
    var judged = Judge.Counts()
    var latency = Percentiles()
    var lag = Percentiles()
    /// The keepers' time from start to accepting socket.
    var start = Percentiles()
    var lagBound = 0.0
    var memoryPerKeeper: [UInt64] = []
    var faults: [Fault] = []
    var failedStarts: [FailedStart] = []
    var violations: [String: Int] = [:]
    var told: [String] = []
    /// The reason why the run ended early; its findings hold as far as it came.
    var incomplete: String?
    var notes: [String] = []
    var samples: [Sample] = []
    /// HDR histograms (V2, compressed, base64) in microseconds.
    var latencyHistogram = ""
    var lagHistogram = ""

    init(scenario: String, seed: UInt64, replay: String) {
        self.scenario = scenario
        self.seed = seed
        self.replay = replay
    }

    /// Creates the result with the judge's findings about lines.
    init(_ scenario: String, _ settings: LoadSettings, _ cases: [Judge.Case], _ judge: Judge) {
        self.init(scenario: scenario, seed: settings.seed, replay: Runner.replay(seed: settings.seed))
        var latency = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        lines = Lines(cases.flatMap(\.ledgers)) { entry in
            if entry.outcome == .written { latency.record(max(1, min(600_000_000, entry.latency))) }
        }
        self.latency = Percentiles(latency)
        latencyHistogram = HistogramFile.encode(latency)
        sessions = settings.sessions
        writers = settings.writers + settings.drivenWriters
        keeperStarts = cases.reduce(0) { $0 + $1.lives.count { !$0.hasFailed } }
        lagBound = Double(RunClock.microseconds(settings.lagBound)) / 1000
        judged = judge.counts
        faults = judge.faults.map { Fault($0) }
        failedStarts = judge.failedStarts.map { FailedStart($0) }
        if cases.contains(where: { $0.ledgers.contains { $0.isFull } }) {
            incomplete =
                "a writer has sent \(Texts.count(Ledger.capacity)) lines, more cannot be checked: use more writers"
        }
    }

    var holds: Bool { violations.isEmpty }
}
