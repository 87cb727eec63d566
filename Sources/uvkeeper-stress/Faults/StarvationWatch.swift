import UVKeeper

/// Finds processes that waited long for a processor: what they did not do in time is the machine's fault.
///
/// How late a loop comes is no measure of that, since it may itself have been at fault. Reads the run delay of
/// `/proc/<pid>/schedstat`; where the system does not tell, it finds nothing.
final class StarvationWatch {
    /// A process of a run, and whose lines it concerns.
    struct Watched {
        enum Part: Hashable {
            /// A keeper or a child.
            case session(Int)
            case harness
            case drivenServer
        }

        let part: Part
        let pid: Int32
    }

    private static let interval = Duration.milliseconds(200)
    /// In microseconds of waiting within an interval.
    private static let limit: UInt64 = 100_000

    private let timer: TimerHandle
    private let clock: RunClock
    private let processes: () -> [Watched]
    private let onStarved: (FaultRecord) -> Void
    private var delays: [Int32: UInt64] = [:]
    private var looked: UInt64
    /// Extended while it goes on.
    private var latest: [Watched.Part: FaultRecord] = [:]

    /// - Parameter processes: those of the run besides this one.
    init(
        on loop: Loop, clock: RunClock, processes: @escaping () -> [Watched],
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
        for watched in processes() + [Watched(part: .harness, pid: Processes.currentID)] {
            guard let delay = StarvationWatch.delay(of: watched.pid) else { continue }
            delays[watched.pid] = delay
            guard let before = self.delays[watched.pid], delay > before + StarvationWatch.limit else { continue }
            note(watched, delay - before, now)
        }
        self.delays = delays
        looked = now
    }

    private func note(_ watched: Watched, _ delay: UInt64, _ now: UInt64) {
        if let record = latest[watched.part], let end = record.end, end >= looked {
            record.end = now
            return
        }
        // The kernel counts a wait at its end.
        let record = FaultRecord(
            .machineStalled, watched.part.scope, session: watched.part.session, start: looked - min(looked, delay),
            end: now, note: "process \(watched.pid) waited \(delay / 1000) ms for a processor")
        latest[watched.part] = record
        onStarved(record)
    }

    /// In microseconds, since its start.
    private static func delay(of pid: Int32) -> UInt64? {
        guard let bytes = try? Files.read("/proc/\(pid)/schedstat", limit: 256) else { return nil }
        let numbers = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return numbers.count > 1 ? UInt64(numbers[1]).map { $0 / 1000 } : nil
    }
}

extension StarvationWatch.Watched.Part {
    fileprivate var scope: FaultRecord.Scope {
        switch self {
        case .session: .everybody
        case .harness: .own
        case .drivenServer: .driven
        }
    }

    fileprivate var session: Int? {
        switch self {
        case .session(let index): index
        case .harness, .drivenServer: nil
        }
    }
}
