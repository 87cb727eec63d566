/// What a server in a process of its own tells about itself, in a file that outlives it: totals, and the lag of its loop.
///
/// Layout, in 64-bit words: 16 of totals, then a ring of ticks, each with the lag in its lower half and the time in
/// milliseconds in the upper one. One server writes at a time, and one harness reads.
final class Vitals {
    enum Total: Int {
        case ticks, written, bytes, handles
    }

    private static let ringStart = 16
    /// 40 s of ticks.
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

    /// Notes a tick; both in microseconds.
    func note(lag: UInt64, at time: UInt64) {
        let tick = self[.ticks]
        file[Vitals.ringStart + tick % Vitals.ringCount] = min(lag, 0xFFFF_FFFF) | (time / 1000) << 32
        self[.ticks] = tick + 1
    }

    /// Hands over the ticks since the last call, as far as the ring still has them: lag and time, in microseconds.
    func takeTicks(_ body: (UInt64, UInt64) -> Void) {
        let end = self[.ticks]
        read = max(read, end - Vitals.ringCount)
        while read < end {
            let tick = file[Vitals.ringStart + read % Vitals.ringCount]
            body(tick & 0xFFFF_FFFF, (tick >> 32) * 1000)
            read += 1
        }
    }
}
