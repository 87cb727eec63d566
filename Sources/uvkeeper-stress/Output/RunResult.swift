/// Everything a run found, as it is written to JSON and into the report.
struct RunResult: Codable {
    struct Lines: Codable {
        var sent = 0
        var written = 0
        var refused = 0
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
    }

    /// In milliseconds.
    struct Percentiles: Codable {
        var p50 = 0.0
        var p90 = 0.0
        var p99 = 0.0
        var p999 = 0.0
        var max = 0.0
    }

    let scenario: String
    let seed: UInt64
    /// The command that does it again.
    let replay: String
    var seconds = 0.0
    var sessions = 0
    var writers = 0
    var keeperStarts = 0
    var lines = Lines()
    var judged = Judge.Counts()
    var latency = Percentiles()
    var lag = Percentiles()
    /// Keepers' time from start to accepting socket.
    var start = Percentiles()
    var lagBound = 0.0
    var memoryPerKeeper: [UInt64] = []
    var faults: [Fault] = []
    var violations: [String: Int] = [:]
    var told: [String] = []
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

    var holds: Bool { violations.isEmpty }
}
