/// How much time a child has at each step of its session's end: after the end of its input, and after SIGTERM. SIGKILL
/// comes last, for whatever is left.
///
/// The ladder is handed down to a keeper as the value of its SIGTERM; a plain SIGTERM carries none, and then the keeper's own
/// settings hold. A step ends early when nobody is left.
public struct StopLadder: Hashable, Sendable {
    /// The longest that a step may take.
    public static let longestStep: Duration = .seconds(3600)

    /// After its input has ended; nil: what the keeper was started with, else ``gentle``.
    public var endOfInput: Duration?
    /// After SIGTERM; nil: what the keeper was started with, else ``gentle``.
    public var terminate: Duration?

    /// Longer times are cut to ``longestStep``, negative ones are none.
    public init(endOfInput: Duration? = nil, terminate: Duration? = nil) {
        self.endOfInput = endOfInput.map(StopLadder.clamped)
        self.terminate = terminate.map(StopLadder.clamped)
    }

    /// Everything is killed at once.
    public static let now = StopLadder(endOfInput: .zero, terminate: .zero)
    /// Two seconds after the end of its input, three after SIGTERM: where neither side says otherwise.
    public static let gentle = StopLadder(endOfInput: .seconds(2), terminate: .seconds(3))
    /// The keeper's own times, with which it was started, else ``gentle``.
    public static let keepers = StopLadder()

    /// The steps that are not given, from another ladder.
    public func completed(by other: StopLadder) -> StopLadder {
        StopLadder(endOfInput: endOfInput ?? other.endOfInput, terminate: terminate ?? other.terminate)
    }

    /// The time of all steps together, those of a keeper as if it had the longer of its own and ``gentle``.
    package var total: Duration {
        let complete = completed(by: .gentle)
        return (complete.endOfInput ?? .zero) + (complete.terminate ?? .zero)
    }

    // MARK: - As the value of a signal

    private static let mark: UInt64 = 0x5556 << 48
    private static let stepBits: UInt64 = 23

    /// The ladder as the value of a signal: a mark, and 23 bits a step, of which the highest says that it is given.
    package var signalValue: UInt64 {
        func bits(_ step: Duration?) -> UInt64 {
            guard let step else { return 0 }
            return 1 << (StopLadder.stepBits - 1) | UInt64(StopLadder.milliseconds(step))
        }
        return StopLadder.mark | bits(endOfInput) << StopLadder.stepBits | bits(terminate)
    }

    /// From the value of a signal; nil for one that somebody else has sent.
    package init?(signalValue value: UInt64) {
        guard value & 0xFFFF << 48 == StopLadder.mark else { return nil }
        func step(_ bits: UInt64) -> Duration? {
            let isGiven = bits & 1 << (StopLadder.stepBits - 1) != 0
            return isGiven ? .milliseconds(Int64(bits & (1 << (StopLadder.stepBits - 1) - 1))) : nil
        }
        let mask: UInt64 = 1 << StopLadder.stepBits - 1
        self.init(endOfInput: step(value >> StopLadder.stepBits & mask), terminate: step(value & mask))
    }

    /// A step in whole milliseconds.
    package static func milliseconds(_ step: Duration) -> Int {
        // Exact: a quotient of durations is a Double, and may be a millisecond short.
        let (seconds, attoseconds) = step.components
        return Int(seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }

    private static func clamped(_ step: Duration) -> Duration { min(max(.zero, step), longestStep) }
}
