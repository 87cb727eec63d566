internal import KeeperProtocol
internal import UVLoop

/// The end of a session in steps: the end of the child's input, SIGTERM to every process of the session, SIGKILL to every
/// process until nobody is left. A step ends early when nobody is left.
///
/// The processes of a session are all that descend from the keeper, but for other keepers and their sessions. On systems
/// without a subreaper the child alone is known.
final class Ladder {
    /// The steps in their order.
    enum Step: Int, Comparable {
        case endOfInput
        case terminate
        case kill

        static func < (one: Step, other: Step) -> Bool { one.rawValue < other.rawValue }
    }

    /// How long it is tried to kill what does not end, and how often.
    private static let killTime = Duration.seconds(2)
    private static let killInterval = Duration.milliseconds(25)
    /// How much of a turn of the loop a sweep takes: clients are answered meanwhile.
    private static let sweepTime = Duration.milliseconds(5)

    /// Signals on their way to every process of the session.
    private struct Sweep {
        let signals: [Signal]
        /// What comes when all have them.
        let completion: () -> Void
        var walk = ProcessWalk()
        var hasMetChild = false
    }

    private let lines: LineForwarder
    private let child: ChildProcess
    /// Where the session's processes are, if it has a control group of its own.
    private let group: SessionGroup?
    private let timer: TimerHandle
    private let log: KeeperLog
    private(set) var step: Step
    /// The step after which nobody was left, as records have it.
    var lastStep: SessionExit.Step {
        switch step {
        case .endOfInput: .eof
        case .terminate: .term
        case .kill: .kill
        }
    }
    private var times: StopLadder
    /// When the present step is over.
    private var deadline = Duration.zero
    private var onEnd: (([Int32]) -> Void)?
    private var sweep: Sweep?
    private var isSweepScheduled = false
    /// Who could not be signalled, so that each is told once.
    private var refused: Set<Int32> = []

    /// - Parameter times: complete.
    init(
        _ times: StopLadder, from step: Step = .endOfInput, lines: LineForwarder, child: ChildProcess,
        group: SessionGroup? = nil, log: KeeperLog,
    ) {
        self.times = times
        self.step = step
        self.lines = lines
        self.child = child
        self.group = group
        timer = TimerHandle(on: lines.loop)
        self.log = log
    }

    /// Begins with the first step; `onEnd` runs once, on a later tick, with those that live on although they were killed.
    func start(_ onEnd: @escaping ([Int32]) -> Void) {
        self.onEnd = onEnd
        enter(step)
    }

    /// Brings the steps forward to what `other`, which is complete, says; it can delay nothing.
    func hasten(_ other: StopLadder) {
        times = StopLadder(
            endOfInput: min(times.endOfInput ?? .zero, other.endOfInput ?? .zero),
            terminate: min(times.terminate ?? .zero, other.terminate ?? .zero))
        let time = step == .endOfInput ? times.endOfInput : times.terminate
        guard step < .kill, let time else { return }
        deadline = min(deadline, SystemClock.deadline(in: time))
        wait()
    }

    /// A process has ended: looks whether it was the last one.
    func processEnded() {
        guard onEnd != nil, Ladder.isNobodyLeft(child) else { return }
        end([])
    }

    // MARK: Steps

    private func enter(_ step: Step) {
        self.step = step
        switch step {
        case .endOfInput:
            guard let time = times.endOfInput, time > .zero else { return enter(.terminate) }
            deadline = SystemClock.deadline(in: time)
            lines.endInput()
        case .terminate:
            guard let time = times.terminate, time > .zero else { return enter(.kill) }
            deadline = SystemClock.deadline(in: time)
            // Before its stdin closes, or the log would say at random how it ended.
            signal([.terminate, .continue]) { [unowned self] in lines.cutInput() }
        case .kill:
            deadline = SystemClock.deadline(in: Ladder.killTime)
            kill()
        }
        wait()
    }

    private func wait() {
        guard step < .kill else {
            return timer.start(after: Ladder.killInterval) { [unowned self] _ in killAgain() }
        }
        timer.start(after: max(.zero, deadline - SystemClock.monotonicTime)) { [unowned self] _ in
            enter(step == .endOfInput ? .terminate : .kill)
        }
    }

    /// Those that were started meanwhile, too.
    private func killAgain() {
        if Ladder.isNobodyLeft(child) { return end([]) }
        guard SystemClock.monotonicTime < deadline else { return end(Ladder.processes(child).pids) }
        if sweep == nil { kill() }
        wait()
    }

    private func kill() {
        // One by one all the same: a process may have left the group.
        group?.killAll()
        signal([.kill]) { [unowned self] in lines.abandonStdin(childHasEnded: !child.isRunning) }
    }

    private func end(_ survivors: [Int32]) {
        guard let onEnd else { return }
        self.onEnd = nil
        timer.close()
        sweep = nil
        onEnd(survivors)
    }

    // MARK: Sweeps

    /// Begins a sweep, in place of one that is under way. Its first part is done at once.
    private func signal(_ signals: [Signal], _ completion: @escaping () -> Void) {
        sweep = Sweep(signals: signals, completion: completion)
        sweepOn()
    }

    private func sweepOn() {
        guard var sweep else { return }
        var (walk, hasMetChild) = (sweep.walk, sweep.hasMetChild)
        let deadline = SystemClock.deadline(in: Ladder.sweepTime)
        // Held by pidfds one after the other, since descriptors may be few.
        let visit = walk.run(until: deadline, leavingOut: KeeperProcesses.contain) { process in
            hasMetChild = hasMetChild || process.pid == child.pid
            send(sweep.signals, to: process.pid) { signal throws(UVError) in try process.send(signal) }
        }
        guard visit != nil else {
            (sweep.walk, sweep.hasMetChild) = (walk, hasMetChild)
            self.sweep = sweep
            return sweepLater()
        }
        // Without a descriptor to hold it by: see `processes`.
        if child.isRunning, !hasMetChild {
            send(sweep.signals, to: child.pid) { signal throws(UVError) in try child.kill(signal) }
        }
        self.sweep = nil
        sweep.completion()
    }

    private func sweepLater() {
        guard !isSweepScheduled else { return }
        isSweepScheduled = true
        lines.loop.onNextTick { [weak self] in
            self?.isSweepScheduled = false
            self?.sweepOn()
        }
    }

    private func send(_ signals: [Signal], to pid: Int32, _ send: (Signal) throws(UVError) -> Void) {
        for signal in signals {
            do throws(UVError) {
                try send(signal)
            } catch {
                guard error != .noProcess, refused.insert(pid).inserted else { continue }
                log.write("cannot end process \(Ladder.name(of: pid)): \(error)")
            }
        }
    }

    // MARK: Who belongs to the session

    /// The processes of the session that run, and whether they are all.
    static func processes(_ child: ChildProcess) -> (pids: [Int32], visit: ProcessTree.Visit) {
        var pids: [Int32] = []
        let visit = ProcessTree.visit(leavingOut: KeeperProcesses.contain) { pids.append($0.pid) }
        // Without a descriptor to hold it by, and where the system shows no processes, the child is known all the same: its
        // number is nobody else's until its end is collected.
        if child.isRunning, !pids.contains(child.pid) { pids.append(child.pid) }
        return (pids, visit)
    }

    /// True if all have ended; one that has, and whose end the loop has not told yet, counts as there.
    static func isNobodyLeft(_ child: ChildProcess) -> Bool {
        !child.isRunning && !ProcessTree.hasDescendants(leavingOut: KeeperProcesses.contain)
    }

    /// Who is left: the processes, and, for people, what follows "pi left"; nil if nobody is.
    static func rest(_ child: ChildProcess) -> (pids: [Int32], text: String)? {
        guard ProcessTree.isVisible else {
            let text = "processes behind that live on; there is no /proc of this pid namespace to find them by"
            return ProcessTree.isEmpty ? nil : ([], text)
        }
        guard !isNobodyLeft(child) else { return nil }
        let (pids, visit) = processes(child)
        let more = pids.count > 16 ? " and \(pids.count - 16) more" : ""
        let names = pids.isEmpty ? "" : ": " + pids.prefix(16).map { name(of: $0) }.joined(separator: ", ") + more
        let text: String? =
            switch visit {
            case .complete: pids.isEmpty ? nil : "\(pids.count) process\(pids.count == 1 ? "" : "es") behind\(names)"
            case .unsettled: "processes behind that start others and end before they can be named\(names)"
            case .failed(let error): "processes behind that cannot all be named, \(error)\(names)"
            }
        return text.map { (pids, $0) }
    }

    /// For instance `7170 (sleep)`.
    static func name(of pid: Int32) -> String {
        let command = ProcessDetails.arguments(of: pid)?.first.map {
            $0.split(separator: "/").last.map(String.init) ?? $0
        }
        return command.map { "\(pid) (\($0))" } ?? "\(pid)"
    }
}
