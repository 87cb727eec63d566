/// The time a child has at each step of its session's end: after the end of its input, and after SIGTERM. SIGKILL comes
/// last, for all processes left.
///
/// A manager sends the ladder to a keeper as the value of SIGTERM; a plain SIGTERM carries none, and the keeper's own
/// settings hold then. A step ends early when no process is left.
public struct StopLadder: Hashable, Sendable {
    /// The longest time of a step.
    public static let longestStep: Duration = .seconds(3600)

    /// The time after the end of input; nil: the keeper's own time, else ``gentle``.
    public var endOfInput: Duration?
    /// The time after SIGTERM; nil: the keeper's own time, else ``gentle``.
    public var terminate: Duration?

    /// Times longer than ``longestStep`` are cut to it, negative ones count as zero.
    public init(endOfInput: Duration? = nil, terminate: Duration? = nil) {
        self.endOfInput = endOfInput.map(StopLadder.clamped)
        self.terminate = terminate.map(StopLadder.clamped)
    }

    /// The ladder that kills everything at once.
    public static let now = StopLadder(endOfInput: .zero, terminate: .zero)
    /// The ladder used if neither side sets one: two seconds after the end of input, three after SIGTERM.
    public static let gentle = StopLadder(endOfInput: .seconds(2), terminate: .seconds(3))
    /// The keeper's own times, else ``gentle``.
    public static let keepers = StopLadder()

    /// This ladder, with missing steps taken from another one.
    public func completed(by other: StopLadder) -> StopLadder {
        StopLadder(endOfInput: endOfInput ?? other.endOfInput, terminate: terminate ?? other.terminate)
    }

    /// The time of all steps together; steps left to the keeper count as in ``gentle``.
    package var total: Duration {
        let complete = completed(by: .gentle)
        return (complete.endOfInput ?? .zero) + (complete.terminate ?? .zero)
    }

    // MARK: - As the value of a signal

    private static let mark: UInt64 = 0x5556 << 48
    private static let stepBits: UInt64 = 23

    /// The ladder as the value of a signal: a mark, and 23 bits for each step; the highest of these tells that the step
    /// is set.
    package var signalValue: UInt64 {
        func bits(_ step: Duration?) -> UInt64 {
            guard let step else { return 0 }
            return 1 << (StopLadder.stepBits - 1) | UInt64(StopLadder.milliseconds(step))
        }
        return StopLadder.mark | bits(endOfInput) << StopLadder.stepBits | bits(terminate)
    }

    /// The ladder in the value of a signal; nil if the value is no ladder.
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
        // Integer arithmetic is exact: a quotient of durations is a Double, and may be a millisecond short.
        let (seconds, attoseconds) = step.components
        return Int(seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }

    private static func clamped(_ step: Duration) -> Duration { min(max(.zero, step), longestStep) }
}
