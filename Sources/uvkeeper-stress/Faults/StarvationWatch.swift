import UVKeeper

/// Finds keepers and children that waited long for a processor: what they did not do in time is the machine's fault.
///
/// Reads the run delay of `/proc/<pid>/schedstat`; where the system does not tell, it finds nothing.
final class StarvationWatch {
    private static let interval = Duration.milliseconds(200)
    /// In microseconds of waiting within an interval.
    private static let limit: UInt64 = 100_000

    private let timer: TimerHandle
    private let clock: RunClock
    private let processes: () -> [(session: Int, pid: Int32)]
    private let onStarved: (FaultRecord) -> Void
    private var delays: [Int32: UInt64] = [:]
    private var looked: UInt64
    /// By session: extended while it goes on.
    private var latest: [Int: FaultRecord] = [:]

    init(
        on loop: Loop, clock: RunClock, processes: @escaping () -> [(session: Int, pid: Int32)],
        onStarved: @escaping (FaultRecord) -> Void,
    ) throws(UVError) {
        timer = try TimerHandle(on: loop)
        self.clock = clock
        self.processes = processes
        self.onStarved = onStarved
        looked = clock.microseconds
        timer.start(after: StarvationWatch.interval, repeating: StarvationWatch.interval) { [unowned self] _ in look() }
    }

    func close() { timer.close() }

    private func look() {
        let now = clock.microseconds
        var delays: [Int32: UInt64] = [:]
        for (session, pid) in processes() {
            guard let delay = StarvationWatch.delay(of: pid) else { continue }
            delays[pid] = delay
            guard let before = self.delays[pid], delay > before + StarvationWatch.limit else { continue }
            note(session, pid, delay - before, now)
        }
        self.delays = delays
        looked = now
    }

    private func note(_ session: Int, _ pid: Int32, _ delay: UInt64, _ now: UInt64) {
        if let record = latest[session], let end = record.end, end >= looked {
            record.end = now
            return
        }
        // The kernel counts a wait at its end.
        let record = FaultRecord(
            .machineStalled, session: session, start: looked - min(looked, delay), end: now,
            note: "process \(pid) waited \(delay / 1000) ms for a processor")
        latest[session] = record
        onStarved(record)
    }

    /// In microseconds, since its start.
    private static func delay(of pid: Int32) -> UInt64? {
        guard let bytes = try? Files.read("/proc/\(pid)/schedstat", limit: 256) else { return nil }
        let numbers = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return numbers.count > 1 ? UInt64(numbers[1]).map { $0 / 1000 } : nil
    }
}
