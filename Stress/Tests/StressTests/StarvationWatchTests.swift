import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

/// With processes that wait for a processor: four that never rest have one, each of them for a quarter of the time.
@Suite(.serialized, .enabled(if: BusyProcesses.arePossible, "needs taskset(1) and the schedstat of Linux"))
struct StarvationWatchTests {
    @Test(
        "a process that waits for a processor is found, whose lines that concerns, and for how long",
        arguments: [
            (StarvationWatch.Watched.Part.session(3), FaultRecord.Scope.everybody, 3 as Int?),
            (.drivenServer, .driven, nil),
        ])
    func found(part: StarvationWatch.Watched.Part, scope: FaultRecord.Scope, session: Int?) throws {
        try withLoop { loop in
            // Nice ones would hardly ever end a wait beside others, and the kernel counts it at its end.
            let busy = try BusyProcesses(on: loop, niceness: 0)
            defer { busy.end() }
            let clock = RunClock(start: SystemClock.monotonicTime)
            let log = Log()
            let watch = try log.watch(on: loop, clock) { [.init(part: part, pid: busy.pids[0])] }
            // While it goes on, the same record lasts longer. The kernel counts a wait at its end, so there may be several.
            try TestSupport.run(loop) { log.found(busy.pids[0]).contains { $0.record.end ?? 0 > $0.firstEnd } }
            for (record, firstEnd) in log.found(busy.pids[0]) {
                #expect(record.kind == .machineStalled && record.scope == scope && record.session == session)
                #expect(firstEnd >= record.start + 100_000 && firstEnd <= clock.microseconds)
            }
            watch.close()
        }
    }

    @Test("one that has waited before it was watched, rests, or has ended is not found") func resting() throws {
        try withLoop { loop in
            let busy = try BusyProcesses(on: loop, niceness: 19)
            defer { busy.end() }
            try TestSupport.run(loop) { busy.pids.allSatisfy { BusyProcesses.delay(of: $0) ?? 0 > 200_000_000 } }
            for pid in busy.pids { try Processes.send(.stop, to: pid) }
            // To stop, a process has to run once more.
            try TestSupport.run(loop) { busy.pids.allSatisfy { BusyProcesses.isStopped($0) } }
            let log = Log()
            var looks = 0
            var isEnding = false
            let watch = try log.watch(on: loop, RunClock(start: SystemClock.monotonicTime)) {
                looks += 1
                // To end, a process has to run once more, too.
                return isEnding && !busy.haveEnded ? [] : busy.pids.map { .init(part: .session(0), pid: $0) }
            }
            try TestSupport.run(loop) { looks == 3 }
            isEnding = true
            busy.end()
            try TestSupport.run(loop) { busy.haveEnded }
            let before = looks
            try TestSupport.run(loop) { looks >= before + 3 }
            #expect(busy.pids.allSatisfy { log.found($0).isEmpty })
            watch.close()
        }
    }

    /// What a watch found. The machine may keep the tests themselves waiting, too.
    private final class Log {
        private var all: [(record: FaultRecord, firstEnd: UInt64)] = []

        /// The records of a process, each with the end it had at first.
        func found(_ pid: Int32) -> [(record: FaultRecord, firstEnd: UInt64)] {
            all.filter { $0.record.note.hasPrefix("process \(pid) ") }
        }

        func watch(
            on loop: Loop, _ clock: RunClock, _ processes: @escaping () -> [StarvationWatch.Watched],
        ) throws -> StarvationWatch {
            StarvationWatch(on: loop, clock: clock, processes: processes) { self.all.append(($0, $0.end ?? 0)) }
        }
    }
}

/// Four processes that never rest, on one processor.
private final class BusyProcesses {
    static let arePossible =
        delay(of: CurrentProcess.id) != nil && processor != nil && Files.isExecutable("/usr/bin/taskset")

    /// The first that this process may use.
    private static let processor: Int? = {
        guard let bytes = try? Files.read("/proc/self/status", limit: 65536) else { return nil }
        let list = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first {
            $0.hasPrefix("Cpus_allowed_list:")
        }
        return list.flatMap { Int($0.drop { !$0.isNumber }.prefix { $0.isNumber }) }
    }()

    private var children: [ChildProcess] = []

    /// - Parameter niceness: how much they give way to all others there.
    init(on loop: Loop, niceness: Int) throws {
        for _ in 0..<4 {
            children.append(
                try ChildProcess(
                    .init(
                        executable: "/usr/bin/taskset",
                        arguments: [
                            "--cpu-list", "\(BusyProcesses.processor ?? 0)", "nice", "-n", "\(niceness)", "sh", "-c",
                            "while :; do :; done",
                        ],
                        stdio: [.ignore, .ignore, .ignore]), on: loop
                ) { _, _ in })
        }
    }

    var pids: [Int32] { children.map(\.pid) }
    var haveEnded: Bool { !children.contains(where: \.isRunning) }

    func end() { for child in children where child.isRunning { expectNoError { try child.kill(.kill) } } }

    static func isStopped(_ pid: Int32) -> Bool {
        guard let bytes = try? Files.read("/proc/\(pid)/stat", limit: 4096) else { return false }
        return String(decoding: bytes, as: UTF8.self).contains(") T ")
    }

    /// In nanoseconds: how long it has been kept waiting for a processor.
    static func delay(of pid: Int32) -> UInt64? {
        guard let bytes = try? Files.read("/proc/\(pid)/schedstat", limit: 256) else { return nil }
        let numbers = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return numbers.count > 1 ? UInt64(numbers[1]) : nil
    }
}
