internal import KeeperProtocol
internal import UVLoop

/// The end of a session: a keeper takes the steps of its ladder, or the processes that a dead keeper has left are
/// ended. Every process that belonged to the session is checked once more after that, and files left are removed.
final class KeeperStop {
    /// The time for a process to be gone after SIGKILL.
    static let killTime = Duration.seconds(1)
    /// The longest time that a keeper takes for its last step, and as much again for a busy machine.
    private static let keepersKillTime = Duration.seconds(3)
    /// The seconds more that a keeper has as long as it does not get a processor: what it ends may use them all.
    private static let patience = 20

    private enum Target {
        case keeper(KeeperHold)
        /// The child of a dead keeper.
        case orphan(ProcessDescriptor)

        var process: ProcessDescriptor {
            switch self {
            case .keeper(let keeper): keeper.process
            case .orphan(let child): child
            }
        }
    }

    private let session: SessionID
    private let paths: KeeperPaths
    private let ladder: StopLadder
    private let loop: Loop
    private let target: Target
    /// All processes below the target, by pid, held before the first signal: once the target is gone, they cannot be
    /// found.
    private var members: [Int32: ProcessDescriptor] = [:]
    private var wasKilled = false
    private var wait: ProcessWait?
    private var completion: ((KeeperManager.StopResult) -> Void)?

    /// Ends the session's keeper. `completion` runs once, on a later tick.
    convenience init(
        _ keeper: KeeperHold, of session: SessionID, in paths: KeeperPaths, ladder: StopLadder, on loop: Loop,
        completion: @escaping (KeeperManager.StopResult) -> Void,
    ) {
        let ladder = keeper.isOurs ? ladder.completed(by: KeeperStop.settings(of: keeper.pid)) : ladder
        self.init(.keeper(keeper), session, paths, ladder, loop, completion)
    }

    /// Ends the child of a session whose keeper is dead.
    convenience init(
        orphan child: ProcessDescriptor, of session: SessionID, in paths: KeeperPaths, ladder: StopLadder,
        on loop: Loop, completion: @escaping (KeeperManager.StopResult) -> Void,
    ) {
        self.init(.orphan(child), session, paths, ladder, loop, completion)
    }

    private init(
        _ target: Target, _ session: SessionID, _ paths: KeeperPaths, _ ladder: StopLadder, _ loop: Loop,
        _ completion: @escaping (KeeperManager.StopResult) -> Void,
    ) {
        self.target = target
        self.session = session
        self.paths = paths
        self.ladder = ladder
        self.loop = loop
        self.completion = completion
    }

    func start() {
        holdMembers()
        do throws(UVError) {
            switch target {
            case .keeper(let keeper):
                try keeper.terminate(ladder)
                waitForTarget(ladder.total + KeeperStop.keepersKillTime)
            case .orphan(let child):
                try signal(child, .terminate, .continue)
                // A process that cannot be signalled does not keep the others from getting their signals, and is named
                // at the end.
                for process in members.values {
                    do throws(UVError) { try signal(process, .terminate, .continue) } catch { continue }
                }
                members[child.pid] = child
                waitForTarget(ladder.completed(by: .gentle).terminate ?? .zero)
            }
        } catch .noProcess {
            waitForTarget(.zero)
        } catch {
            loop.onNextTick { self.end(.notPermitted) }
        }
    }

    /// Gives up the wait: its end is ``KeeperManager/StopResult/closed``, on a later tick. Signals already sent have
    /// their effect.
    func cancel() {
        guard let wait else { return loop.onNextTick { self.end(.closed) } }
        wait.cancel()
    }

    // MARK: Steps

    private func waitForTarget(_ time: Duration, patience: Int = patience) {
        let awaited: [ProcessDescriptor] =
            switch target {
            case .keeper(let keeper): [keeper.process]
            case .orphan: Array(members.values)
            }
        wait(for: awaited, atMost: time) { haveEnded in
            if !haveEnded, patience > 0, self.isAtWork {
                return self.waitForTarget(.seconds(1), patience: patience - 1)
            }
            if !haveEnded { self.killTarget() }
            self.killMembers()
        }
    }

    /// Called when the keeper has not ended in its time.
    private func killTarget() {
        // The session may have started more processes since.
        holdMembers()
        // Process 1 of a container takes no SIGKILL from inside, and would take the whole container with it from
        // outside.
        guard target.process.pid > 1 else { return }
        wasKilled = true
        members[target.process.pid] = target.process
    }

    /// Kills the processes left. A keeper of ours has left only those that cannot be killed; another keeper may have
    /// left more.
    private func killMembers() {
        let left = members.values.filter { !$0.hasEnded }
        for process in left {
            // A process that cannot be signalled is named below.
            do throws(UVError) { try process.send(.kill) } catch { continue }
        }
        wait(for: left, atMost: KeeperStop.killTime) { _ in self.finish(left) }
    }

    private func finish(_ killed: [ProcessDescriptor]) {
        var survivors = killed.filter { !$0.hasEnded }
        let target = target.process
        if !target.hasEnded, !survivors.contains(where: { $0.pid == target.pid }) { survivors.append(target) }
        // The file that names a living child is its last trace, and stays.
        if target.hasEnded { _ = KeeperCleanup.remove(session, paths: paths, makesPIDFile: true) }
        guard survivors.isEmpty else {
            return end(.survived(survivors.map { ProcessSurvivor(pid: $0.pid, name: ProcessDetails.name(of: $0.pid)) }))
        }
        // The socket may be served by another process, for instance one that the keeper has handed it to.
        switch KeeperInspection.finding(session, paths: paths) {
        case .live(pid: nil): end(.stillServed)
        // A keeper started since belongs to another session. If the state cannot be told, for lack of descriptors for
        // instance, nothing is known to serve the session: its processes have ended.
        case .live, .undecided, .dead, .absent: end(wasKilled ? .killed : .stopped)
        }
    }

    private func end(_ result: KeeperManager.StopResult) {
        guard let completion else { return }
        self.completion = nil
        completion(result)
    }

    private func wait(
        for processes: [ProcessDescriptor], atMost time: Duration, _ completion: @escaping (_ haveEnded: Bool) -> Void,
    ) {
        wait = ProcessWait(for: processes, atMost: time, on: loop) { result in
            self.wait = nil
            switch result {
            case .allHaveEnded: completion(true)
            case .timedOut: completion(false)
            case .canceled: self.end(.closed)
            }
        }
    }

    // MARK: Processes

    /// Holds the processes of the session. This program may be one of them, and does not end itself.
    private func holdMembers() {
        let target = target.process
        var found = ProcessTree.descendants(of: target.pid, leavingOut: KeeperProcesses.contain)
        // Orphans are below a keeper of ours too, since it adopts them. A search of every process of the system would
        // make the end of thousands of sessions take as long as the square of their number.
        if !isOurs, ProcessDetails(of: target.pid)?.session == target.pid {
            // A keeper started from within the session need not lead a session of its own.
            let inSession = ProcessTree.members(ofSessions: [target.pid])[target.pid] ?? []
            let apart = inSession.map(\.pid).filter(KeeperStop.mayBeKeeper)
            let theirs = Set(apart + apart.flatMap { ProcessTree.descendants(of: $0).map(\.pid) })
            found += inSession.filter { !theirs.contains($0.pid) }
        }
        // The processes were found by a pid that may be another process's by now; they are not this session's then.
        guard !target.hasEnded else { return }
        for process in found where members[process.pid]?.hasEnded ?? true {
            if process.pid != CurrentProcess.id { members[process.pid] = process }
        }
    }

    /// True if a keeper of ours runs, or would.
    private var isAtWork: Bool { isOurs && ProcessDetails(of: target.process.pid)?.isRunnable == true }

    private var isOurs: Bool { if case .keeper(let keeper) = target { keeper.isOurs } else { false } }

    /// True if the process is a keeper, or if that cannot be told, for lack of descriptors: it is not signalled.
    private static func mayBeKeeper(_ pid: Int32) -> Bool {
        do throws(UVError) { return try KeeperProcesses.contain(pid) } catch { return true }
    }

    private func signal(_ process: ProcessDescriptor, _ signals: Signal...) throws(UVError) {
        for signal in signals {
            do throws(UVError) { try process.send(signal) } catch .noProcess { return }
        }
    }

    /// The stop ladder that a keeper was started with, from its environment.
    private static func settings(of keeper: Int32) -> StopLadder {
        guard let environment = ProcessDetails.environment(of: keeper) else { return StopLadder() }
        let step = { (name: String) in environment[name].flatMap { Int($0) }.map { Duration.milliseconds($0) } }
        return StopLadder(
            endOfInput: step(KeeperVariable.stopEndOfInput), terminate: step(KeeperVariable.stopTerminate))
    }
}
