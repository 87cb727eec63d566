/// The broken invariants: counted by kind, the first of each reported in full.
struct Violations {
    enum Kind: String, CaseIterable, Codable, Sendable {
        case lost, duplicated, reordered, torn, phantom
        case refusedArrived = "refused-arrived"
        case unexplainedRefusal = "unexplained-refusal"
        case unexplainedUnknown = "unexplained-unknown"
        case missingCompletion = "missing-completion"
        case doubledCompletion = "doubled-completion"
        /// Output left out; reported twice; not what the child wrote; more than it wrote; gone without a reason; not
        /// reported up to its end.
        case outputHole = "output-hole"
        case outputDoubled = "output-doubled"
        case outputWrong = "output-wrong"
        case outputBeyond = "output-beyond"
        case outputGap = "output-gap"
        case outputMissing = "output-missing"
        /// Messages that no keeper sends.
        case outputGarbled = "output-garbled"
        case readFailed = "read-failed"
        case blockedLoop = "blocked-loop"
        case processLeft = "process-left"
        case fileLeft = "file-left"
        case fileLost = "file-lost"
        case descriptorLeft = "descriptor-left"
        case handleLeft = "handle-left"
        case memoryGrown = "memory-grown"
        case failedStart = "failed-start"
        case discovery
        /// Messages of a keeper on its channel that the contract rules out.
        case channel
        /// Wrong or contradicting reports of a session's end.
        case record
        case recovery
    }

    private static let toldLimit = 5
    private(set) var counts: [Kind: Int] = [:]
    private(set) var told: [String] = []

    var total: Int { counts.values.reduce(0, +) }

    mutating func add(_ kind: Kind, count: Int = 1, _ text: @autoclosure () -> String) {
        guard count > 0 else { return }
        let before = counts[kind, default: 0]
        counts[kind] = before + count
        if before < Violations.toldLimit { told.append("\(kind.rawValue): \(text())") }
    }

    /// Adds a loop that was blocked for longer than its bound.
    mutating func check(_ lag: LoopLag, bound: Duration, of whose: String) {
        let bound = RunClock.microseconds(bound)
        guard lag.longest > bound else { return }
        add(.blockedLoop, "\(whose), for \(lag.longest / 1000) ms; the bound is \(bound / 1000) ms (--lag-bound)")
    }

    mutating func take(_ other: Violations) {
        counts.merge(other.counts, uniquingKeysWith: +)
        told += other.told
    }
}
