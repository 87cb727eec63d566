/// What broke an invariant: counted by kind, the first of each told in full.
struct Violations {
    enum Kind: String, CaseIterable, Codable, Sendable {
        case lost, duplicated, reordered, torn, phantom
        case refusedArrived = "refused-arrived"
        case unexplainedRefusal = "unexplained-refusal"
        case unexplainedUnknown = "unexplained-unknown"
        case missingCompletion = "missing-completion"
        case doubledCompletion = "doubled-completion"
        case blockedLoop = "blocked-loop"
        case processLeft = "process-left"
        case fileLeft = "file-left"
        case fileLost = "file-lost"
        case descriptorLeft = "descriptor-left"
        case handleLeft = "handle-left"
        case memoryGrown = "memory-grown"
        case failedStart = "failed-start"
        case discovery
        /// What a keeper has said on its channel, and the contract rules out.
        case channel
        /// What is said of the end of a session.
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

    /// A loop that was blocked for longer than it may be.
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
