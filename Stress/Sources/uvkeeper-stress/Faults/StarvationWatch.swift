import UVKeeper

/// Finds processes that waited long for a processor: their delays are the machine's fault.
///
/// The lateness of a loop is no measure of that, since the loop itself may be at fault. The run delay is read from
/// `/proc/<pid>/schedstat`; on a system that does not tell it, none is found.
final class StarvationWatch {
    /// A process of a run, and the part whose lines it affects.
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

    /// The time between looks; two of them are as long as an attempt to write a line.
    private static let interval = Duration.milliseconds(200)
    /// The longest wait within two intervals, in microseconds, of all processes of a part together, since a line passes
    /// through each.
    private static let limit: UInt64 = 100_000

    /// The time that the processes of a part have waited, in microseconds.
    private struct Wait {
        var sum: UInt64 = 0
        /// The process that waited longest.
        var longest: Int32 = 0
        private var most: UInt64 = 0

        mutating func add(_ delay: UInt64, of pid: Int32) {
            sum += delay
            if delay > most { (most, longest) = (delay, pid) }
        }
    }

    private let timer: TimerHandle
    private let clock: RunClock
    private let processes: () -> [Watched]
    private let onStarved: (FaultRecord) -> Void
    private var delays: [Int32: UInt64] = [:]
    private var waits: [Watched.Part: Wait] = [:]
    private var looked: UInt64
    private var lookedBefore: UInt64
    /// The last record of each part, extended while the wait goes on.
    private var latest: [Watched.Part: FaultRecord] = [:]

    /// - Parameter processes: the processes of the run besides this one.
    init(
        on loop: Loop, clock: RunClock, processes: @escaping () -> [Watched],
        onStarved: @escaping (FaultRecord) -> Void,
    ) {
        timer = TimerHandle(on: loop)
        self.clock = clock
        self.processes = processes
        self.onStarved = onStarved
        looked = clock.microseconds
        lookedBefore = looked
        timer.start(after: StarvationWatch.interval, repeating: StarvationWatch.interval) { [unowned self] _ in look() }
    }

    func close() { timer.close() }

    private func look() {
        let now = clock.microseconds
        var delays: [Int32: UInt64] = [:]
        var waits: [Watched.Part: Wait] = [:]
        for watched in processes() + [Watched(part: .harness, pid: CurrentProcess.id)] {
            guard let delay = StarvationWatch.delay(of: watched.pid) else { continue }
            delays[watched.pid] = delay
            guard let before = self.delays[watched.pid], delay > before else { continue }
            waits[watched.part, default: Wait()].add(delay - before, of: watched.pid)
        }
        for (part, wait) in waits {
            let before = self.waits[part]?.sum ?? 0
            guard before + wait.sum > StarvationWatch.limit else { continue }
            // The kernel counts a wait at its end.
            let since = before > 0 ? lookedBefore : looked
            note(part, wait.longest, before + wait.sum, since: since - min(since, before + wait.sum), now)
        }
        self.delays = delays
        self.waits = waits
        lookedBefore = looked
        looked = now
    }

    private func note(_ part: Watched.Part, _ pid: Int32, _ delay: UInt64, since: UInt64, _ now: UInt64) {
        if let record = latest[part], let end = record.end, end >= looked {
            record.end = now
            return
        }
        let record = FaultRecord(
            .machineStalled, part.scope, session: part.session, start: since, end: now,
            note: "process \(pid) waited \(delay / 1000) ms for a processor")
        latest[part] = record
        onStarved(record)
    }

    /// Returns the run delay of a process since its start, in microseconds.
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
