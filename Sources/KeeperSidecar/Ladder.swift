internal import KeeperProtocol
internal import UVLoop

/// The end of a session in steps: the end of the child's input, SIGTERM to every process of the session, SIGKILL to
/// every process until none is left. A step ends early when no process is left.
///
/// The processes of a session are all that descend from the keeper, except other keepers and their sessions. On systems
/// without a subreaper only the child is known.
final class Ladder {
    /// The steps in their order.
    enum Step: Int, Comparable {
        case endOfInput
        case terminate
        case kill

        static func < (one: Step, other: Step) -> Bool { one.rawValue < other.rawValue }
    }

    /// The time for which processes that do not end are killed again, and the interval.
    private static let killTime = Duration.seconds(2)
    private static let killInterval = Duration.milliseconds(25)

    private let lines: LineForwarder
    private let child: ChildProcess
    /// The session's own control group, if it has one.
    private let group: SessionGroup?
    private let timer: TimerHandle
    private let log: KeeperLog
    private(set) var step: Step
    /// The step after which no process was left, in the words of records.
    var lastStep: SessionExit.Step {
        switch step {
        case .endOfInput: .eof
        case .terminate: .term
        case .kill: .kill
        }
    }
    private var times: StopLadder
    /// The time at which the present step is over, on the monotonic clock.
    private var deadline = Duration.zero
    private var onEnd: (([Int32]) -> Void)?
    /// The signals on their way to every process of the session.
    private var sweep: SessionWalk?
    /// The processes that could not be signalled, so that each is logged once.
    private var refused: Set<Int32> = []

    /// - Parameter times: the times of the steps; none may be nil.
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

    /// Begins with the first step; `onEnd` runs once, on a later tick, with the processes that live on although they
    /// were killed.
    func start(_ onEnd: @escaping ([Int32]) -> Void) {
        self.onEnd = onEnd
        enter(step)
    }

    /// Brings the steps forward to the times of `other`, none of which may be nil; a step is never delayed.
    func hasten(_ other: StopLadder) {
        times = StopLadder(
            endOfInput: min(times.endOfInput ?? .zero, other.endOfInput ?? .zero),
            terminate: min(times.terminate ?? .zero, other.terminate ?? .zero))
        let time = step == .endOfInput ? times.endOfInput : times.terminate
        guard onEnd != nil, step < .kill, let time else { return }
        deadline = min(deadline, SystemClock.deadline(in: time))
        wait()
    }

    /// Called when a process has ended: ends the ladder if that was the last one.
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
            // The signal comes before stdin closes: otherwise chance would decide which of the two ends the child, and
            // so what the log says.
            signal([.terminate, .continue]) { [unowned self] in lines.cutInput() }
        case .kill:
            deadline = SystemClock.deadline(in: Ladder.killTime)
            kill()
        }
        wait()
    }

    private func wait() {
        let time = step < .kill ? max(.zero, deadline - SystemClock.monotonicTime) : Ladder.killInterval
        timer.start(ifSilentFor: time, handlingRestFor: .milliseconds(1)) { [unowned self] in timeIsOver() }
    }

    private func timeIsOver() {
        switch step {
        case .endOfInput: enter(.terminate)
        case .terminate: enter(.kill)
        case .kill: killAgain()
        }
    }

    /// Kills again, so that processes started meanwhile are reached too.
    private func killAgain() {
        if Ladder.isNobodyLeft(child) { return end([]) }
        guard SystemClock.monotonicTime < deadline else {
            sweep?.cancel()
            return Ladder.processes(child, on: lines.loop) { [self] pids, _ in end(pids) }
        }
        if sweep == nil { kill() }
        wait()
    }

    private func kill() {
        // All are also killed one by one: a process may have left the group.
        group?.killAll()
        signal([.kill]) { [unowned self] in lines.abandonStdin(childHasEnded: !child.isRunning) }
    }

    private func end(_ survivors: [Int32]) {
        guard let onEnd else { return }
        self.onEnd = nil
        timer.close()
        sweep?.cancel()
        sweep = nil
        onEnd(survivors)
    }

    // MARK: Sweeps

    /// Begins a sweep, in place of one under way; `completion` runs when every process has been sent the signals.
    private func signal(_ signals: [Signal], _ completion: @escaping () -> Void) {
        sweep?.cancel()
        sweep = nil
        var (hasMetChild, isDone) = (false, false)
        let walk = SessionWalk(on: lines.loop) { [unowned self] process in
            hasMetChild = hasMetChild || process.pid == child.pid
            send(signals, to: process.pid) { signal throws(UVError) in try process.send(signal) }
        } completion: { [unowned self] _ in
            // The walk may have lacked a descriptor for the child: see `processes`.
            if child.isRunning, !hasMetChild {
                send(signals, to: child.pid) { signal throws(UVError) in try child.kill(signal) }
            }
            isDone = true
            sweep = nil
            completion()
        }
        if !isDone { sweep = walk }
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

    /// Finds the running processes of the session; `body` gets their pids, and whether they are all.
    private static func processes(
        _ child: ChildProcess, on loop: Loop, _ body: @escaping ([Int32], ProcessTree.Visit) -> Void
    ) {
        var pids: [Int32] = []
        SessionWalk(on: loop) {
            pids.append($0.pid)
        } completion: { visit in
            // The child is known even if the walk had no descriptor for it, or the system shows no processes: its
            // number belongs to no other process until its end is collected.
            if child.isRunning, !pids.contains(child.pid) { pids.append(child.pid) }
            body(pids, visit)
        }
    }

    /// True if every process has ended; an ended child whose exit the loop has not reported yet still counts as
    /// running.
    static func isNobodyLeft(_ child: ChildProcess) -> Bool {
        !child.isRunning && !ProcessTree.hasDescendants(leavingOut: KeeperProcesses.contain)
    }

    /// The processes left at the end of a session.
    struct Rest {
        let pids: [Int32]
        /// Text for people: the words after "pi left".
        let text: String
    }

    /// Finds the processes left; `body` is called on this tick or a later one, with nil if there are none.
    static func findRest(of child: ChildProcess, on loop: Loop, _ body: @escaping (Rest?) -> Void) {
        guard ProcessTree.isVisible else {
            // Whoever has ended is nobody's rest.
            ProcessTree.collectEnded(except: child.isRunning ? child.pid : nil)
            let text = "processes behind that live on; there is no /proc of this pid namespace to find them by"
            return body(ProcessTree.isEmpty ? nil : Rest(pids: [], text: text))
        }
        guard !isNobodyLeft(child) else { return body(nil) }
        processes(child, on: loop) { pids, visit in body(rest(pids, visit)) }
    }

    private static func rest(_ pids: [Int32], _ visit: ProcessTree.Visit) -> Rest? {
        let more = pids.count > 16 ? " and \(pids.count - 16) more" : ""
        let names = pids.isEmpty ? "" : ": " + pids.prefix(16).map { name(of: $0) }.joined(separator: ", ") + more
        let text: String? =
            switch visit {
            case .complete: pids.isEmpty ? nil : "\(pids.count) process\(pids.count == 1 ? "" : "es") behind\(names)"
            case .unsettled: "processes behind that start others and end before they can be named\(names)"
            case .failed(let error): "processes behind that cannot all be named, \(error)\(names)"
            }
        return text.map { Rest(pids: pids, text: $0) }
    }

    /// The process for people, for instance `7170 (sleep)`.
    static func name(of pid: Int32) -> String {
        let command = ProcessDetails.arguments(of: pid)?.first.map {
            $0.split(separator: "/").last.map(String.init) ?? $0
        }
        return command.map { "\(pid) (\($0))" } ?? "\(pid)"
    }
}
