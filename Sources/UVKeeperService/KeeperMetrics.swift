#if Service
internal import CoreMetrics
internal import Synchronization
internal import UVKeeper
internal import UVKeeperAsync
internal import UVLoop

/// The figures. Their number is fixed: none has a label for a session, of which there may be any number.
final class KeeperMetrics: Sendable {
    private let lines: [String: Counter]
    private let lineTime: Timer
    private let answers: [String: Counter]
    private let answerTime: Timer
    private let events: [String: Counter]
    private let attempts: Counter
    private let failedAttempts: Counter
    private let waitingLines: Meter
    private let waitingBytes: Meter
    private let sessions: [String: Meter]
    private let lag: [String: Meter]
    /// The attempts that were told, which are counted elsewhere.
    private let told = Mutex((all: UInt64(0), failed: UInt64(0)))

    init(_ factory: any MetricsFactory) {
        func counters(_ label: String, _ dimension: String, _ values: [String]) -> [String: Counter] {
            Dictionary(
                uniqueKeysWithValues: values.map {
                    ($0, Counter(label: label, dimensions: [(dimension, $0)], factory: factory))
                })
        }
        func meters(_ label: String, _ dimension: String, _ values: [String]) -> [String: Meter] {
            Dictionary(
                uniqueKeysWithValues: values.map {
                    ($0, Meter(label: label, dimensions: [(dimension, $0)], factory: factory))
                })
        }
        lines = counters("uvkeeper_lines_total", "outcome", ["written", "sent", "refused", "unknown"])
        lineTime = Timer(label: "uvkeeper_line_duration", factory: factory)
        answers = counters("uvkeeper_questions_total", "outcome", ["answered", "failed"])
        answerTime = Timer(label: "uvkeeper_question_duration", factory: factory)
        events = counters("uvkeeper_session_events_total", "event", ["adopted", "started", "ended"])
        attempts = Counter(label: "uvkeeper_attempts_total", factory: factory)
        failedAttempts = Counter(label: "uvkeeper_failed_attempts_total", factory: factory)
        waitingLines = Meter(label: "uvkeeper_waiting_lines", factory: factory)
        waitingBytes = Meter(label: "uvkeeper_waiting_bytes", factory: factory)
        sessions = meters("uvkeeper_sessions", "state", ["opening", "living", "stopping"])
        lag = meters("uvkeeper_loop_lag_seconds", "quantile", ["0.5", "0.99", "1"])
    }

    func note(_ measurement: KeeperMeasurement) {
        switch measurement {
        case .line(let outcome, let time):
            lines[KeeperMetrics.name(of: outcome)]?.increment()
            lineTime.recordNanoseconds(Int64(time / .nanoseconds(1)))
        case .answer(let error, let time):
            answers[error == nil ? "answered" : "failed"]?.increment()
            answerTime.recordNanoseconds(Int64(time / .nanoseconds(1)))
        case .session(let event): events[KeeperMetrics.name(of: event)]?.increment()
        }
    }

    func note(_ figures: Keepers.Figures, _ health: LoopHealth?) {
        waitingLines.set(figures.delivery.waitingLines)
        waitingBytes.set(figures.delivery.waitingBytes)
        sessions["opening"]?.set(figures.openingSessions)
        sessions["living"]?.set(figures.livingSessions)
        sessions["stopping"]?.set(figures.delivery.stoppingSessions)
        let new = told.withLock { told in
            defer {
                told = (max(told.all, figures.delivery.attempts), max(told.failed, figures.delivery.failedAttempts))
            }
            return (
                all: figures.delivery.attempts - min(told.all, figures.delivery.attempts),
                failed: figures.delivery.failedAttempts - min(told.failed, figures.delivery.failedAttempts)
            )
        }
        attempts.increment(by: new.all)
        failedAttempts.increment(by: new.failed)
        guard let health else { return }
        lag["0.5"]?.set(health.lag.median / .seconds(1))
        lag["0.99"]?.set(health.lag.percentile99 / .seconds(1))
        lag["1"]?.set(health.lag.longest / .seconds(1))
    }

    private static func name(of outcome: WriteOutcome) -> String {
        switch outcome {
        case .written: "written"
        case .sent: "sent"
        case .refused: "refused"
        case .unknown: "unknown"
        }
    }

    private static func name(of event: KeeperEvent) -> String {
        switch event {
        case .adopted: "adopted"
        case .started: "started"
        case .ended: "ended"
        }
    }
}
#endif
