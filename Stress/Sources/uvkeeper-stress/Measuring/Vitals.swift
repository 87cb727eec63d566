/// The reports of a server in another process on its loop, in a file that outlives it: open handles, and the lag.
///
/// Layout, in 64-bit words: 16 of totals, then a ring of ticks, each with its lag. One server writes at a time, and one
/// harness reads.
final class Vitals {
    enum Total: Int {
        case ticks, handles
        /// The time of the last tick, in microseconds since the start of the run.
        case lastTick
    }

    private static let ringStart = 16
    /// The size of the ring: 40 s of ticks.
    private static let ringCount = 4096

    private let file: SharedFile
    private var read = 0

    init(_ path: String) throws {
        file = try SharedFile(path, byteCount: (Vitals.ringStart + Vitals.ringCount) * 8)
    }

    subscript(total: Total) -> Int {
        get { Int(file[total.rawValue]) }
        set { file[total.rawValue] = UInt64(newValue) }
    }

    /// Notes a tick.
    ///
    /// - Parameters:
    ///   - lag: in microseconds.
    ///   - time: in microseconds since the start of the run.
    func note(lag: UInt64, at time: UInt64) {
        let tick = self[.ticks]
        file[Vitals.ringStart + tick % Vitals.ringCount] = lag
        self[.lastTick] = Int(time)
        self[.ticks] = tick + 1
    }

    /// Hands over the ticks since the last call that the ring still has: their lag in microseconds.
    func takeTicks(_ body: (UInt64) -> Void) {
        let end = self[.ticks]
        read = max(read, end - Vitals.ringCount)
        while read < end {
            body(file[Vitals.ringStart + read % Vitals.ringCount])
            read += 1
        }
    }
}
